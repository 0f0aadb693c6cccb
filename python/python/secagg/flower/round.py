"""The server's side of one round, over any of Flower's grids."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from logging import DEBUG, INFO, WARNING

from flwr.app import ArrayRecord, Message, RecordDict

from secagg import Abort, Aggregate, Misuse, SecaggError, Server, new_session_id

from ._flwr import Grid
from ._records import LOG, RECORD, unwrap, wrap
from .errors import BadArrays, RoundFailed, TooHeavy, power_of_two_above
from .layout import hash_of
from .settings import Settings
from .terms import Terms
from .update import metrics_of

NORM_BIT = "norm_bit"
"""What Flower's adaptive clipping calls the metric that says whether an update was clipped."""

FIRST_PAUSE, LONGEST_PAUSE = 0.01, 1.0
"""Seconds between two looks for replies: they grow from the first to the longest."""


@dataclass(frozen=True)
class Outcome:
    """What a round gave."""

    records: Mapping[str, ArrayRecord]
    """The weighted mean of the survivors' arrays, named, ordered, shaped and typed as those that were sent."""

    metrics: Mapping[str, float]
    """The weighted means of the metrics."""

    total_weight: float
    """The sum of the survivors' weights."""

    survivors: list[int]
    """The nodes whose updates are in the means."""

    def metrics_for(self, place: int) -> dict[str, float]:
        """The metrics that the survivor at this place is said to have: the means.

        Only the norm bit is shared out. Flower's adaptive clipping counts the replies in which it is set, so it is set in
        as many as the mean says.
        """
        metrics = dict(self.metrics)
        if NORM_BIT in metrics:
            metrics[NORM_BIT] = int(place < round(metrics[NORM_BIT] * len(self.survivors)))
        return metrics


@dataclass
class StageReport:
    """What went by in one stage."""

    stage: str
    asked: int = 0
    answered: int = 0
    seconds: float = 0.0
    bytes_down: int = 0
    bytes_up: int = 0


@dataclass
class Round:
    """One round: the stages in order, each of them over a grid.

    Parameters
    ----------
    contents : dict of int to RecordDict
        What each node is to train on, or to evaluate; sent in the third stage.
    settings : Settings
        The parameters, as Flower's users give them.
    message_type, group_id : str
        Of all messages of the round.
    """

    contents: Mapping[int, RecordDict]
    settings: Settings
    message_type: str
    group_id: str
    weighted_by: str = "num-examples"
    metrics: Mapping[str, float] = field(default_factory=dict)
    same_model: bool = True
    uniform_weights: bool = False
    has_arrays: bool = True
    failures: dict[int, str] = field(default_factory=dict)
    """By node, why it is not in the result, where it has said so."""
    stages: list[StageReport] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Opens the round.

        Raises
        ------
        secagg.Misuse
            If the parameters do not fit the cohort, the arrays or each other.
        BadArrays
            If the contents have no arrays that could be averaged, or different ones.
        """
        first = next(iter(self.contents.values()))
        settings = self.settings
        self.terms = Terms(
            self._model() if self.same_model else "",
            self.weighted_by,
            self.metrics,
            self.uniform_weights,
            self.has_arrays,
            settings.skip,
            settings.ranges,
        )
        self.layout = self.terms.layout(first)
        self._check_layouts()
        dimension = self.layout.dimension + len(self.metrics)
        if dimension == 0:
            raise BadArrays("there is nothing to average: the model that is sent has no elements")
        params = self.settings.params(len(self.contents), dimension)
        encoded = self.terms.encode()
        self.server = Server(params, new_session_id(), sorted(self.contents), application=encoded)

    def run_stage(self, grid: Grid, timeout: float | None) -> None:
        """Runs the stage that is open and closes it.

        Raises
        ------
        RoundFailed
            If too few clients have answered, or the round cannot go on for another reason.
        secagg.Misuse
            If the weight of no client fits `max_weight`: no round would do.
        """
        report = StageReport(self.server.stage or "", asked=len(self.server.requests))
        self.stages.append(report)
        started = time.monotonic()
        self._exchange(grid, timeout, report)
        if report.answered == 0:
            self._check_weights(list(self.server.requests))
        try:
            self.server.close()
        except Abort as abort:
            raise RoundFailed(self._why(abort, report), self.failures) from abort
        finally:
            report.seconds = time.monotonic() - started
            LOG.log(
                DEBUG, "secure aggregation: %s: %d of %d clients answered in %.2f s",
                report.stage, report.answered, report.asked, report.seconds,
            )  # fmt: skip

    @property
    def is_open(self) -> bool:
        """Whether a stage is still to be run."""
        return self.server.stage is not None

    @property
    def is_training(self) -> bool:
        """Whether the stage to be run is the one in which clients train."""
        return self.server.stage == "collect_masked_vectors"

    def outcome(self) -> Outcome:
        """Takes off the masks.

        Raises
        ------
        RoundFailed
            If the sum is none that honest clients can make, or all weights are zero.
        """
        try:
            result = self.server.aggregate(self.layout.vector_dtype)
        except Abort as abort:
            raise RoundFailed(f"secure aggregation failed: {abort}", self.failures) from abort
        self._log(result)
        params, dimension = self.server.params, self.layout.dimension
        bound = params.clipping_range
        error = params.error_bound(len(result.survivors), result.total_weight, exact_weights=False)
        metrics = metrics_of(result.mean[dimension:].tolist(), self.terms, bound)
        records = self.layout.unflatten(result.mean[:dimension], bound, error)
        return Outcome(records, metrics, result.total_weight, result.survivors)

    def _model(self) -> str:
        """The hash of the arrays that all start from. Contents that share their records are hashed once."""
        hashes = {hash_of(content) for content in self._distinct()}
        if len(hashes) > 1:
            raise BadArrays(
                "nodes are sent different models. If that is meant, say same_model=False here and in the clients' "
                "SecAggMod(same_model=False)"
            )
        return hashes.pop()

    def _check_layouts(self) -> None:
        """Refuses models of different names, types or shapes, or another order: their lanes do not belong together."""
        if not self.same_model and any(
            self.terms.layout(content) != self.layout for content in self._distinct()
        ):
            raise BadArrays("nodes are sent arrays of different names, types or shapes, or in another order")

    def _distinct(self) -> Iterable[RecordDict]:
        """The contents, once where they share their records."""
        return {tuple(map(id, content.values())): content for content in self.contents.values()}.values()

    # --- One stage over a grid ---------------------------------------------------------------------

    def _exchange(self, grid: Grid, timeout: float | None, report: StageReport) -> None:
        messages = [self._message(node, request) for node, request in self.server.requests.items()]
        report.bytes_down = sum(map(len, self.server.requests.values()))
        for asked, reply in _replies(grid, messages, timeout):
            if reply.has_error():
                self._fail(asked, str(reply.error.reason))
                continue
            node = reply.metadata.src_node_id
            try:
                answer = unwrap(reply.content)
                report.bytes_up += len(answer)
                self.server.receive(node, answer)
                report.answered += 1
            except SecaggError as error:
                self._fail(node, str(error))
        for node in self.server.waiting_for:
            if node not in self.failures:
                self._fail(node, "no reply in time")

    def _message(self, node: int, request: bytes) -> Message:
        terms = self.terms.encode() if self.server.stage == "setup" else None
        content = dict(self.contents[node]) if self.is_training else {}
        record = RecordDict({**content, RECORD: wrap(request, terms)})
        return Message(record, node, self.message_type, group_id=self.group_id)

    def _fail(self, node: int, reason: str) -> None:
        self.failures[node] = reason
        LOG.log(WARNING, "secure aggregation: node %d dropped out: %s", node, reason)

    def _why(self, abort: Abort, report: StageReport) -> str:
        why = f"secure aggregation failed in {report.stage}: {abort}"
        if reasons := list(dict.fromkeys(self.failures.values())):
            why += f". Nodes said: {'; '.join(reasons[:3])}"
        if report.stage == "setup" and report.answered == 0 and self.failures:
            why += (
                ". If no node at all can answer, secagg_mod may be missing among the clients' mods, or another mod may stand before it, where it must be the first: "
                "mods=[secagg_mod, fixedclipping_mod]"
            )
        return why

    def _check_weights(self, asked: list[int]) -> None:
        """Raises if all that were asked say that their weight is too large."""
        needed = [TooHeavy.needed(self.failures.get(node, "")) for node in asked]
        if largest := max(filter(None, needed), default=None) if all(needed) else None:
            raise Misuse(
                f"the weight of no client fits max_weight={self.settings.max_weight:g}, which leaves room for weights up to "
                f"{self.server.params.max_weight:g}: say max_weight={largest:.17g}"
            )

    def _log(self, result: Aggregate) -> None:
        mean, asked = result.total_weight / len(result.survivors), self.settings.max_weight
        if mean > asked and not self.uniform_weights:
            LOG.log(
                WARNING, "the clients' weights are %g on average, above max_weight=%g. They are right in the mean, as there is "
                "room for weights up to %g; say max_weight=%g to keep it so in larger cohorts",
                mean, asked, self.server.params.max_weight, power_of_two_above(mean),
            )  # fmt: skip
        LOG.log(
            INFO, "secure aggregation: the mean of %d of %d clients, in %.2f s",
            len(result.survivors), len(self.contents), sum(stage.seconds for stage in self.stages),
        )  # fmt: skip
        for holder, owner in result.false_shares:
            LOG.log(WARNING, "node %d holds a false share of node %d: one of them lied", holder, owner)


def _replies(grid: Grid, messages: list[Message], timeout: float | None) -> Iterator[tuple[int, Message]]:
    """The replies as they come, until all are there or the time is over, each with the node that was asked.

    The SuperLink answers for a node that it gave up, in its own name.
    """
    end = None if timeout is None else time.monotonic() + timeout
    waiting = set(grid.push_messages(messages))
    asked = {message.metadata.message_id: message.metadata.dst_node_id for message in messages}
    messages.clear()
    pause = FIRST_PAUSE
    while waiting:
        for reply in grid.pull_messages(waiting):
            message_id = reply.metadata.reply_to_message_id
            waiting.discard(message_id)
            pause = FIRST_PAUSE
            yield asked.get(message_id, reply.metadata.src_node_id), reply
        left = float("inf") if end is None else end - time.monotonic()
        if not waiting or left <= 0:
            return
        time.sleep(min(pause, left))
        pause = min(2 * pause, LONGEST_PAUSE)
