"""What a ClientApp replies to a message, read as one update."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, floor, inf, isfinite, log10
from numbers import Real
from typing import Any, TypeVar

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, MetricRecord, RecordDict

from secagg import BadUpdate, Client, Params

from ._records import LOG, of_kind
from .errors import BadArrays, BadReply, TooHeavy
from .layout import Layout, Numbers, Records
from .ranges import factor, scaled
from .terms import Terms

LEGACY = "fitres"
"""What the records of a legacy reply have for the first part of their names."""

Record = TypeVar("Record")


@dataclass(frozen=True)
class Update:
    """A weight, arrays and metrics, not yet masked."""

    weight: float
    records: Records
    metrics: Mapping[str, Any]

    @classmethod
    def of(cls, content: RecordDict, terms: Terms) -> Update:
        """The update in the reply of a ClientApp, a legacy one or not.

        Raises
        ------
        BadReply
            If there is no weight, or not one record of arrays.
        """
        if f"{LEGACY}.status" in content:
            return cls._of_fitres(content)
        metrics = _only(of_kind(MetricRecord, content), "MetricRecord")
        weight = metrics.get(terms.weighted_by, 0.0 if terms.uniform_weights else None)
        if not isinstance(weight, (int, float)):
            raise BadReply(
                f"the MetricRecord of the reply has no number {terms.weighted_by!r}, by which updates are weighted"
            )
        return cls(float(weight), of_kind(ArrayRecord, content) if terms.has_arrays else {}, metrics)

    @classmethod
    def _of_fitres(cls, content: RecordDict) -> Update:
        configs = of_kind(ConfigRecord, content)
        status = configs[f"{LEGACY}.status"]
        if status["code"] != 0:
            raise BadReply("the client's fit has not succeeded, by its own status")
        weight = of_kind(MetricRecord, content)[f"{LEGACY}.num_examples"]["num_examples"]
        if isinstance(weight, list):
            raise BadReply("the number of examples is a list")
        arrays = of_kind(ArrayRecord, content)[f"{LEGACY}.parameters"]
        return cls(float(weight), {"": arrays}, configs[f"{LEGACY}.metrics"])

    def warn_of_dropped(self, terms: Terms) -> None:
        """Names the metrics that the server does not average, and so never sees."""
        known = {*terms.metrics, terms.weighted_by}
        if dropped := [name for name in self.metrics if name not in known]:
            lines = ", ".join(f'"{name}": 10.0' for name in dropped)
            LOG.warning(
                "metrics of training are not sent unless they are averaged under the mask: %s dropped. To average, name each "
                "on the server with its largest absolute value: metrics={%s}",
                ", ".join(map(repr, dropped)), lines,
            )  # fmt: skip

    def lanes_of_metrics(self, terms: Terms, clipping_range: float) -> list[float]:
        """The metrics of the round, each scaled from its bound to the clipping range.

        Raises
        ------
        BadReply
            If one is missing, or is no number.
        """
        return [
            float(scaled(self._metric(name), clipping_range, bound))
            for name, bound in terms.metrics.items()
        ]

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
    vector = layout.flatten(update.records, params.clipping_range, metrics)
    if changed := layout.changed(update.records):
        LOG.info("secagg_mod: not averaged, as skip says; the server's stay: %s", ", ".join(changed))
    _warn_of_clipping(vector, layout, terms, params)
    weight = params.max_weight if terms.uniform_weights else update.weight
    try:
        return client.answer(request, weight, vector)
    except BadUpdate as error:
        raise _explain(error, weight, vector, layout, terms, params) from error


def _warn_of_clipping(vector: Numbers, layout: Layout, terms: Terms, params: Params) -> None:
    """Says in the client's own log what the mean will not hold, and which ranges would hold it."""
    clipped, limit = [], params.clipping_range
    for part, place in layout.places():
        lanes = vector[place]
        largest = max(float(lanes.max()), -float(lanes.min())) if part.size else 0.0
        if limit < largest < inf:
            # Beside lanes of float32, numpy would round the limit to float32.
            doubles = lanes.astype(np.float64, copy=False)
            bound, count = part.bound or limit, np.count_nonzero((doubles > limit) | (doubles < -limit))
            clipped.append(
                f"{layout.label(part)}: {count} of {part.size} elements are above {bound:g}, and "
                f"{_at_least(largest * (bound / limit)):g} would hold them"
            )
    if clipped:
        LOG.warning("clipped to clipping_range, which the server sets: %s", "; ".join(clipped))
    for (name, bound), value in zip(terms.metrics.items(), vector[layout.dimension :], strict=True):
        if limit < abs(value) < inf:
            LOG.warning("metric %r is clipped to its bound of %g", name, bound)


def _at_least(value: float) -> float:
    """The next number of two digits, which is no smaller."""
    unit = 10.0 ** (floor(log10(value)) - 1)
    return float(f"{ceil(value / unit) * unit:.6g}")


def _explain(
    error: BadUpdate, weight: float, vector: Numbers, layout: Layout, terms: Terms, params: Params
) -> Exception:
    """What to change. The numbers are the client's own, so they go to its log, and not to the server."""
    try:
        check_weight(weight, params)
    except BadReply as of_weight:
        return of_weight
    bad = [layout.label(part) for part, place in layout.places() if not np.isfinite(vector[place]).all()]
    lanes = zip(terms.metrics, vector[layout.dimension :], strict=True)
    bad += [f"metric {name!r}" for name, lane in lanes if not np.isfinite(lane)]
    return BadArrays(f"the update holds values that are not finite, in {', '.join(bad)}") if bad else error


def check_weight(weight: float, params: Params) -> None:
    """Refuses a weight that the round has no room for. The number goes to the client's own log, and
    not to the server.

    Raises
    ------
    BadReply
        If it is negative, not finite, or no number.
    TooHeavy
        If it is above the largest that the round takes.
    """
    if isinstance(weight, bool) or not isinstance(weight, Real):
        raise BadReply(f"the weight of the update must be a number of examples, not a {type(weight).__name__}")
    if not (isfinite(weight) and weight >= 0):
        LOG.error("the weight of this update is %g, and must be a finite number from 0 on", weight)
        raise BadReply("the weight of the update is negative or not finite: it is a number of examples")
    if weight > params.max_weight:
        LOG.error("the weight %g of this update is above max_weight=%g", weight, params.max_weight)
        raise TooHeavy.of(float(weight), params.max_weight)


def metrics_of(lanes: list[float], terms: Terms, clipping_range: float) -> dict[str, float]:
    """The averaged metrics: what `Update.lanes_of_metrics` scaled, scaled back."""
    return {
        name: lane / factor(clipping_range, bound)
        for lane, (name, bound) in zip(lanes, terms.metrics.items(), strict=True)
    }


def _only(records: Mapping[str, Record], kind: str) -> Record:
    if len(records) != 1:
        raise BadReply(f"the reply must hold one {kind}, and holds {len(records)}")
    return next(iter(records.values()))
