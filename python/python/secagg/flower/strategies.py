"""Which strategies can work on an average alone."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from ._records import LOG
from .averaged import LINE
from .errors import UnsuitableStrategy

INDIVIDUAL = {
    "Bulyan": "it compares single updates",
    "DPFedAvgAdaptive": "it clips single updates on the server",
    "DPFedAvgFixed": "it clips single updates on the server",
    "DifferentialPrivacyServerSideAdaptiveClipping": "it clips single updates on the server",
    "DifferentialPrivacyServerSideFixedClipping": "it clips single updates on the server",
    "FedMedian": "it takes the median of single updates",
    "FedTrimmedAvg": "it sorts single updates",
    "FedXgbBagging": "trees are joined, not averaged",
    "FedXgbCyclic": "trees are handed on, not averaged",
    "FedXgbNnAvg": "trees are joined, not averaged",
    "Krum": "it compares single updates",
    "MultiKrum": "it compares single updates",
    "QFedAvg": "it weights single updates by their loss",
}
"""Flower's strategies that look at single updates, by the name of their class, and what they do with them."""

ADAPTIVE = "DifferentialPrivacyClientSideAdaptiveClipping"
"""Flower's strategy that clips on the client, by a norm that follows from how many updates were
clipped."""

NORM_BIT = "norm_bit"
"""The metric that says whether an update was clipped."""

HINTS = {
    "clips": "Clip on the client: DifferentialPrivacyClientSideFixedClipping, and fixedclipping_mod after secagg_mod"
}


def check(strategy: Any, *, uniform_weights: bool, metrics: Collection[str] | None = None) -> None:
    """Refuses a strategy, or one inside it, that needs the updates or the weights of single clients.

    `metrics` are those that the round averages; None where they are not to be looked at.

    Raises
    ------
    UnsuitableStrategy
        If it is one of Flower's that do, or a class made from it; if it accounts for privacy by
        equal weights, which it could not see to be equal; and if it adapts its clipping by a metric
        that is not averaged.
    """
    for strategy in _with_inner(strategy):
        if getattr(strategy, "accountant", None) is not None and not uniform_weights:
            raise UnsuitableStrategy(
                f"{type(strategy).__name__} accounts for privacy by equal weights, and secure aggregation hides whether "
                "they are: say uniform_weights=True, and all updates weigh the same"
            )
        for base in type(strategy).__mro__:
            if not base.__module__.startswith("flwr."):
                continue
            if base.__name__ in INDIVIDUAL:
                raise UnsuitableStrategy(_refusal(type(strategy).__name__, INDIVIDUAL[base.__name__]))
            if base.__name__ == ADAPTIVE and metrics is not None and NORM_BIT not in metrics:
                raise UnsuitableStrategy(
                    f"{ADAPTIVE} adapts to the metric {NORM_BIT!r}, which is averaged under the mask if it is named: "
                    f'say metrics=["{NORM_BIT}"]'
                )


def say_what_metrics_need(strategy: Any, metrics: Mapping[str, float]) -> None:
    """Says before anyone trains that a strategy aggregates metrics, of which it will get none."""
    if metrics or (name := _aggregation_of_metrics(strategy)) is None:
        return
    LOG.warning(
        "%s is set, but no metrics are averaged, and clients drop them. If it reads any, name each with its largest absolute "
        "value in the call of SecAggPlusWorkflow, SecAggWorkflow or SecAggGrid: %s", name, LINE,
    )  # fmt: skip


def record_of_model(strategy: Any) -> str | None:
    """The name of the record that a strategy of the Message API, or one inside it, sends its model
    in."""
    names = (getattr(inner, "arrayrecord_key", None) for inner in _with_inner(strategy))
    return next((name for name in names if isinstance(name, str)), None)


def _aggregation_of_metrics(strategy: Any) -> str | None:
    """The name of the strategy's own function that aggregates the metrics of training, if it has
    one."""
    for inner in _with_inner(strategy):
        for name in ("fit_metrics_aggregation_fn", "train_metrics_aggr_fn"):
            function = getattr(inner, name, None)
            if function is not None and not getattr(function, "__module__", "").startswith("flwr."):
                return name
    return None


def _with_inner(strategy: Any) -> Iterator[Any]:
    """A strategy and those that it holds, whatever it calls them."""
    seen: list[Any] = []
    todo = [strategy]
    while todo:
        strategy = todo.pop()
        if strategy is None or any(strategy is other for other in seen):
            continue
        seen.append(strategy)
        yield strategy
        held = list(getattr(strategy, "__dict__", {}).values())
        todo += [inner for inner in held if _is_strategy(inner)]
        todo.append(getattr(strategy, "strategy", None))


def _is_strategy(value: Any) -> bool:
    return any(callable(getattr(type(value), verb, None)) for verb in ("aggregate_train", "aggregate_fit"))


def _refusal(name: str, why: str) -> str:
    hint = next(
        (hint for word, hint in HINTS.items() if word in why),
        "Choose one that averages: FedAvg, FedAvgM, FedAdam",
    )
    return f"{name} cannot be used with secure aggregation, which hides the updates of single clients: {why}. {hint}"
