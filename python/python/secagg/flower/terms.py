"""What server and clients agree on, beside the protocol's parameters.

The encoded terms are the *application bytes* of the round: they are part of its context hash, so the
masks of clients that were told different terms do not cancel.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from numbers import Real

from flwr.app import ArrayRecord, ConfigRecord, RecordDict

from ._records import of_kind
from .errors import NotAgreed
from .layout import Layout
from .ranges import FURTHEST, Ranges

NUM_EXAMPLES = "num-examples"
"""The metric that Flower's strategies weight by, unless told otherwise."""

SERVER_ROUND = "server-round"
"""The entry of a configuration in which Flower's strategies name the round."""


@dataclass(frozen=True)
class Terms:
    """The terms of one round."""

    model: str
    """The hash of the arrays that training starts from; empty if clients start from different ones."""

    run_id: int
    """Flower's number of the run, which each client compares with that of its context."""

    round: int
    """The number of the round, which each client compares with the one in its message, if there is
    one (see `round_in`)."""

    weighted_by: str
    """The metric that holds the weight of an update. Legacy replies say ``num_examples`` whatever this is."""

    metrics: Mapping[str, float]
    """The metrics that are averaged under the mask, each with the largest absolute value it may have."""

    uniform_weights: bool = False
    """Whether all updates weigh the same, whatever the metric says."""

    has_arrays: bool = True
    """Whether the round averages arrays at all, or metrics alone."""

    skip: tuple[str, ...] = ()
    """Patterns of the arrays that are not averaged."""

    ranges: Ranges = ()
    """Patterns of arrays with clipping ranges of their own."""

    @property
    def weighs_arrays(self) -> bool:
        """Whether the number of examples of a training decides what an update weighs."""
        return self.has_arrays and not self.uniform_weights

    def layout(self, content: RecordDict) -> Layout:
        """The arrays of a content that the round averages.

        Raises
        ------
        BadArrays
            As `Layout.of`.
        """
        arrays = of_kind(ArrayRecord, content)
        return Layout.of(arrays, self.skip, self.ranges) if self.has_arrays else Layout(())

    def encode(self) -> bytes:
        """The terms as bytes: equal terms give equal bytes."""
        fields = {**vars(self), "metrics": dict(self.metrics)}
        return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()

    @classmethod
    def decode(cls, encoded: bytes) -> Terms:
        """The terms of these bytes.

        Raises
        ------
        NotAgreed
            If they are none.
        """
        try:
            fields = json.loads(encoded)
            ranges = tuple((pattern, bound) for pattern, bound in fields.pop("ranges"))
            terms = cls(**fields | {"skip": tuple(fields["skip"]), "ranges": ranges})
            terms._check()
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            raise NotAgreed(f"the server's terms cannot be read: {error}") from error
        return terms

    def _check(self) -> None:
        texts = (self.model, self.weighted_by, *self.skip, *(pattern for pattern, _ in self.ranges))
        flags, numbers = (self.uniform_weights, self.has_arrays), (self.run_id, self.round)
        kinds = [(texts, str), (flags, bool), (numbers, int)]
        if any(type(value) is not kind for values, kind in kinds for value in values):
            raise TypeError("a field has another type")
        bounds = [*self.metrics.values(), *(bound for _, bound in self.ranges)]
        if any(type(bound) is not float or not bound > 0 for bound in bounds):
            raise TypeError("a bound is no positive number")


def round_in(content: RecordDict) -> int | None:
    """The number of the round that a content names, as Flower's strategies of the Message API do;
    None where it names none."""
    named = (record.get(SERVER_ROUND) for record in of_kind(ConfigRecord, content).values())
    return next((number for number in named if type(number) is int), None)


def bounds(metrics: Mapping[str, float] | Sequence[str], default: float) -> dict[str, float]:
    """Metrics with their bounds; those that are given without one get `default`, the clipping
    range.

    Raises
    ------
    ValueError
        For a bound that is not a positive number, or too far from the clipping range.
    """
    if isinstance(metrics, str):
        raise TypeError(f"metrics are a mapping or a list of names, not the string {metrics!r}")
    if not isinstance(metrics, Mapping):
        metrics = dict.fromkeys(metrics, default)
    for name, bound in metrics.items():
        if isinstance(bound, bool) or not isinstance(bound, Real):
            raise TypeError(f"the bound of metric {name!r} must be a number, not {bound!r}")
        if not (isfinite(bound) and bound > 0):
            raise ValueError(f"the bound of metric {name!r} must be above zero, not {bound}")
        if not 1 / FURTHEST <= bound / default <= FURTHEST:
            raise ValueError(
                f"the bound of metric {name!r} is {bound:g}, more than {FURTHEST:g} times another than `clipping_range`, "
                f"{default:g}: one round cannot hold both"
            )
    return {name: float(bound) for name, bound in metrics.items()}
