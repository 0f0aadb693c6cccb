"""What a ClientApp replies to a message, read as one update."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, TypeVar

from flwr.app import ArrayRecord, RecordDict

from secagg import BadUpdate, Client, Params

from ._records import LOG
from .errors import BadArrays, BadReply
from .layout import Layout, arrays_of
from .terms import Terms

LEGACY = "fitres"
"""What the records of a legacy reply have for the first part of their names."""

Record = TypeVar("Record")


@dataclass(frozen=True)
class Update:
    """A weight, arrays and metrics, not yet masked."""

    weight: float
    arrays: ArrayRecord
    metrics: Mapping[str, Any]

    @classmethod
    def of(cls, content: RecordDict, terms: Terms) -> Update:
        """The update in the reply of a ClientApp, a legacy one or not.

        Raises
        ------
        BadReply
            If there is no weight, or not one record of arrays.
        """
        if f"{LEGACY}.status" in content.config_records:
            return cls._of_fitres(content)
        metrics = _only(content.metric_records, "MetricRecord")
        if not isinstance(weight := metrics.get(terms.weighted_by), (int, float)):
            raise BadReply(
                f"the MetricRecord of the reply has no number {terms.weighted_by!r}, by which updates are weighted"
            )
        arrays = _only(content.array_records, "ArrayRecord") if terms.has_arrays else ArrayRecord()
        return cls(float(weight), arrays, metrics)

    @classmethod
    def _of_fitres(cls, content: RecordDict) -> Update:
        status = content.config_records[f"{LEGACY}.status"]
        if status["code"] != 0:
            raise BadReply("the client's fit has not succeeded, by its own status")
        weight = content.metric_records[f"{LEGACY}.num_examples"]["num_examples"]
        if isinstance(weight, list):
            raise BadReply("the number of examples is a list")
        arrays = content.array_records[f"{LEGACY}.parameters"]
        return cls(float(weight), arrays, content.config_records[f"{LEGACY}.metrics"])

    def lanes_of_metrics(self, terms: Terms, clipping_range: float) -> list[float]:
        """The metrics of the round, each scaled from its bound to the clipping range.

        Raises
        ------
        BadReply
            If one is missing, or is no number.
        """
        return [self._metric(name) * (clipping_range / bound) for name, bound in terms.metrics.items()]

    def _metric(self, name: str) -> float:
        value = self.metrics.get(name)
        if not isinstance(value, (int, float)):
            raise BadReply(f"the reply has no number {name!r} among its metrics, which the round averages")
        return float(value)


def mask(
    client: Client, request: bytes, update: Update, layout: Layout, terms: Terms, params: Params
) -> bytes:
    """The client's answer to a request for its masked vector.

    Raises
    ------
    BadArrays, BadReply
        If the update does not fit the round.
    Refused
        If the request breaks a rule of the protocol.
    """
    metrics = update.lanes_of_metrics(terms, params.clipping_range)
    vector = layout.flatten(arrays_of(update.arrays), *metrics)
    largest = layout.largest(vector)
    _warn_of_clipping(largest, metrics, terms, params)
    weight = params.max_weight if terms.uniform_weights else update.weight
    try:
        return client.answer(request, weight, vector)
    except BadUpdate as error:
        raise _explain(error, weight, largest, params) from error


def _warn_of_clipping(
    largest: Mapping[str, float], metrics: list[float], terms: Terms, params: Params
) -> None:
    """Says in the client's own log what the mean will not hold."""
    bound = params.clipping_range
    for name, value in largest.items():
        if value > bound:
            LOG.warning(
                "array %r has values up to %g, which are clipped to clipping_range=%g; raise it on the server",
                name, value, bound,
            )  # fmt: skip
    for name, value in zip(terms.metrics, metrics, strict=True):
        if abs(value) > bound:
            LOG.warning("metric %r is clipped to its bound of %g", name, terms.metrics[name])


def _explain(error: BadUpdate, weight: float, largest: Mapping[str, float], params: Params) -> Exception:
    """What to change. The numbers are the client's own, so they go to its log, and not to the server."""
    if not 0 <= weight <= params.max_weight:
        LOG.error("the weight %g of this update is not from 0 to max_weight=%g", weight, params.max_weight)
        return BadReply(
            f"the weight of the update is not from 0 to max_weight={params.max_weight:g}: raise max_weight on the server"
        )
    if bad := [name for name, value in largest.items() if not isfinite(value)]:
        return BadArrays(f"the update holds values that are not finite, in {', '.join(map(repr, bad))}")
    return error


def metrics_of(lanes: list[float], terms: Terms, clipping_range: float) -> dict[str, float]:
    """The averaged metrics: what `Update.lanes_of_metrics` scaled, scaled back."""
    return {
        name: lane * (bound / clipping_range)
        for lane, (name, bound) in zip(lanes, terms.metrics.items(), strict=True)
    }


def _only(records: Mapping[str, Record], kind: str) -> Record:
    if len(records) != 1:
        raise BadReply(f"the reply must hold one {kind}, and holds {len(records)}")
    return next(iter(records.values()))
