"""Averaged metrics as the strategies of either API are handed them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flwr.app import MetricRecord
from flwr.common import Scalar

LINE = 'metrics={"loss": 10.0}'
"""The argument by which a metric is averaged."""


class AveragedMetrics(dict[str, Scalar]):
    """Metrics that were averaged under the mask. Another one is a KeyError that says what to
    write."""

    def __missing__(self, name: str) -> Scalar:
        raise KeyError(_missing(name, self))


class AveragedRecord(MetricRecord):
    """The same for the Message API."""

    def __getitem__(self, name: str) -> Any:
        """The metric of this name.

        Raises
        ------
        KeyError
            If it was not averaged; the message says what to write.
        """
        if name not in self:
            raise KeyError(_missing(name, self))
        return super().__getitem__(name)


def _missing(name: str, metrics: Iterable[str]) -> str:
    averaged = ", ".join(map(repr, metrics)) or "none"
    line = LINE.replace("loss", str(name))
    return f"the metric {name!r} was not averaged under the mask, so clients dropped it (there are: {averaged}): {line}"
