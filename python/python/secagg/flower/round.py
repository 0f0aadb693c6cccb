"""The server's side of one round, over any of Flower's grids."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from logging import INFO, WARNING
from math import ceil

import numpy as np
from flwr.app import ArrayRecord, Message, RecordDict

from secagg import (
    Abort,
    Aggregate,
    Imprecise,
    Misuse,
    SecaggError,
    Server,
    TooFew,
    new_session_id,
)

from . import errors
from ._flwr import Grid
from ._records import LOG, of_kind, unwrap, wrap
from .errors import AllTooHeavy, BadArrays, RoundFailed, TooHeavy, power_of_two_above
from .layout import hash_of
from .precision import advice, of_arrays
from .report import StageReport
from .settings import Settings
from .strategies import NORM_BIT
from .terms import Terms, round_in
from .update import metrics_of

FIRST_PAUSE, LONGEST_PAUSE = 0.01, 1.0
"""Seconds between two looks for replies: they grow from the first to the longest."""


@dataclass(frozen=True)
class Outcome:
    """What a round gave."""

    records: Mapping[str, ArrayRecord]
    """The weighted mean of the survivors' arrays, named, ordered, shaped and typed as those that
    were sent."""

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
    run_id, number : int
        Flower's number of the run, and the number of the round where the contents name none.
    min_answers : int or float
        Answers that close training early: a count, or a fraction of the nodes that were asked to
        train.
    """

    contents: Mapping[int, RecordDict]
    settings: Settings
    message_type: str
    group_id: str
    run_id: int
    number: int
    weighted_by: str = "num-examples"
    metrics: Mapping[str, float] = field(default_factory=dict)
    same_model: bool = True
    uniform_weights: bool = False
    has_arrays: bool = True
    min_answers: int | float = 1.0
    failures: dict[int, str] = field(default_factory=dict)
    """By node, what it did not answer and why. Where a lie has ended the round, the nodes that lied as
    far as can be told, or else the one whose secret could not be recovered."""
    false_shares: list[tuple[int, int]] = field(default_factory=list)
    """(holder, owner) of shares that were found false and left out. The mean is right all the
    same."""
    error_bound: float | None = None
    """The largest possible error of any element of the mean; for an array with a clipping range of
    its own, as many times more or less as that range is wider or narrower."""
    clipped: int | None = None
    """Clients of the mean with an element beyond the clipping range. Which they are, the server
    does not learn."""
    stages: list[StageReport] = field(default_factory=list)
    """One report for each stage so far."""

    def __post_init__(self) -> None:
        """Opens the round. One of too few nodes is opened too, and fails in its first stage.

        Raises
        ------
        secagg.Misuse
            If the parameters do not fit the arrays or each other, or a cohort as large as this one.
        BadArrays
            If the contents have no arrays that could be averaged, or different ones.
        """
        first = next(iter(self.contents.values()))
        settings = self.settings
        self.terms = Terms(
            self._model() if self.same_model else "",
            self.run_id,
            self.number if (named := round_in(first)) is None else named,
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
        self.nodes = sorted(self.contents)
        self._opened = self._open(dimension)

    @property
    def server(self) -> Server:
        """The protocol's server.

        Raises
        ------
        RoundFailed
            If the round has too few nodes to have one.
        """
        if isinstance(self._opened, RoundFailed):
            raise self._opened
        return self._opened

    def run_stage(self, grid: Grid, timeout: float | None) -> None:
        """Runs the stage that is open and closes it.

        Raises
        ------
        RoundFailed
            If too few clients have answered, or the round cannot go on for another reason;
            `AllTooHeavy` if the weight of no client fits `max_weight`.
        """
        requests = self.server.requests
        report = StageReport(self.server.stage or "", asked=len(requests))
        self.stages.append(report)
        started = time.monotonic()
        self._exchange(grid, requests, timeout, report)
        if report.answered == 0:
            self._check_weights(list(requests))
        try:
            self.server.close()
        except Abort as abort:
            why = self._why(abort, report)
            # No node has said this, so it comes after `_why`.
            self.failures.update((node, str(abort)) for node in _blamed(abort))
            raise RoundFailed(why, self.failures) from abort
        finally:
            report.seconds = time.monotonic() - started
            LOG.log(INFO, "secure aggregation: %s", report)
        if report.stage == "collect_masked_vectors":
            self.contents = {}  # They hold the model, which nobody is sent again.

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
            result = self.server.aggregate(self.layout.vector_dtype(len(self.metrics)))
        except Imprecise as noise:
            raise RoundFailed(f"secure aggregation failed: {self._advice(noise)}", self.failures) from noise
        except Abort as abort:
            why = self._of_weights() if abort.rule == "ZeroTotalWeight" else str(abort)
            raise RoundFailed(f"secure aggregation failed: {why}", self.failures) from abort
        self.false_shares = result.false_shares
        self.error_bound, self.clipped = result.error_bound, result.clipped
        dimension, bound = self.layout.dimension, self.server.params.clipping_range
        self._log(result)
        metrics = metrics_of(result.mean[dimension:].tolist(), self.terms, bound)
        records = self.layout.unflatten(result.mean[:dimension], bound, result.error_bound)
        return Outcome(records, metrics, result.total_weight, result.survivors)

    def _widest_bound(self) -> float:
        """The error bound of the array with the largest clipping range."""
        own = self.server.params.clipping_range
        return (self.error_bound or 0.0) * max([own, *(bound for _, bound in self.settings.ranges)]) / own

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
        """Refuses models of different names, types or shapes, or another order: their lanes do not
        belong together."""
        if not self.same_model and any(
            self.terms.layout(content) != self.layout for content in self._distinct()
        ):
            raise BadArrays("nodes are sent arrays of different names, types or shapes, or in another order")

    def _distinct(self) -> Iterable[RecordDict]:
        """The contents, once where they share the bytes of their arrays, though the records be each
        node's own."""
        return {_arrays_of(content): content for content in self.contents.values()}.values()

    # --- One stage over a grid ---------------------------------------------------------------------

    def _open(self, dimension: int) -> Server | RoundFailed:
        dtype = self.layout.vector_dtype(len(self.metrics))
        most = float(np.finfo(dtype).max) / 2
        if self.settings.clipping_range > most:
            raise Misuse(
                f"clipping_range={self.settings.clipping_range:g} is more than a mean in {dtype} can have: set it to "
                f"{most:.2g} at most, or send arrays of float64"
            )
        try:
            params = self.settings.params(len(self.nodes), dimension)
        except Misuse as error:
            need = self.settings.least_cohort(dimension, above=len(self.nodes))
            if need is None:
                raise
            return RoundFailed(self._too_few(error, need), self.failures)
        return Server(params, new_session_id(), self.nodes, application=self.terms.encode())

    def _exchange(
        self, grid: Grid, requests: Mapping[int, bytes], timeout: float | None, report: StageReport
    ) -> None:
        messages = [self._message(node, request) for node, request in requests.items()]
        report.bytes_down = sum(map(len, requests.values()))
        for asked, reply in _replies(grid, messages, timeout):
            if reply.has_error():
                self._fail(asked, self._reason(asked, reply))
            else:
                self._receive(reply, report)
            del reply  # Or it is held until the next one is there.
            if self.is_training and self._has_enough(report):
                break
        for node in self.server.waiting_for:
            if node not in self.failures:
                self._fail(node, "no reply in time")

    def _receive(self, reply: Message, report: StageReport) -> None:
        node = reply.metadata.src_node_id
        try:
            answer = unwrap(reply.content)
            report.bytes_up += len(answer)
            self.server.receive(node, answer)
            report.answered += 1
        except SecaggError as error:
            self._fail(node, str(error))

    def _has_enough(self, report: StageReport) -> bool:
        """Whether as many have answered as `min_answers` asks for, and the stage can be closed."""
        wanted = self.min_answers
        if report.answered < (ceil(wanted * report.asked) if isinstance(wanted, float) else wanted):
            return False
        try:
            self.server.check()
        except Abort:
            return False
        return True

    def _message(self, node: int, request: bytes) -> Message:
        terms = self.terms.encode() if self.server.stage == "setup" else None
        content = dict(self.contents[node]) if self.is_training else {}
        record = RecordDict({**content, **wrap(request, terms)})
        return Message(record, node, self.message_type, group_id=self.group_id)

    def _reason(self, node: int, reply: Message) -> str:
        """The reason of an error. In the setup no app is called, unless the mod is missing."""
        reason = str(reply.error.reason)
        is_nodes_own = reply.metadata.src_node_id == node
        if self.server.stage != "setup" or not is_nodes_own or errors.is_ours(reason):
            return reason
        return (
            f"{reason} (secagg_mod may be missing among the mods of its ClientApp, or another mod may stand before it, where it "
            "must be the first: mods=[secagg_mod, fixedclipping_mod])"
        )

    def _fail(self, node: int, reason: str) -> None:
        self.failures[node] = reason
        stage = (self.server.stage or "").replace("_", " ")
        LOG.log(WARNING, "secure aggregation: %s: node %d dropped out: %s", stage, node, reason)

    def _why(self, abort: Abort, report: StageReport) -> str:
        why = f"secure aggregation failed in {report.stage}: {abort}"
        if reasons := list(dict.fromkeys(self.failures.values())):
            why += f". Nodes said: {'; '.join(reasons[:3])}"
        if isinstance(abort, TooFew):
            why += (
                f". Of the {len(self.nodes)} nodes of the round {report.answered} have answered this stage: sample more of "
                f"them ({self._names_of_counts}), or lower reconstruction_threshold"
            )
        return why

    def _too_few(self, error: Misuse, need: int) -> str:
        return (
            f"secure aggregation failed before setup: {error}. This round has {len(self.nodes)} nodes, and these "
            f"parameters need {need}: have the strategy sample so many ({self._names_of_counts}), or lower "
            "reconstruction_threshold and num_shares where they are counts"
        )

    @property
    def _names_of_counts(self) -> str:
        """The parameters of a strategy that say how many nodes make a round, of either API."""
        kind, legacy = ("train", "fit") if self.has_arrays else ("evaluate", "evaluate")
        return (
            f"min_{kind}_nodes and min_available_nodes; min_{legacy}_clients and min_available_clients in a legacy app"
        )

    def _check_weights(self, asked: list[int]) -> None:
        """Raises if all that were asked say that their weight is too large."""
        room = self.server.params.max_weight
        needed = [TooHeavy.needed(self.failures.get(node, ""), room) for node in asked]
        if largest := max(filter(None, needed), default=None) if all(needed) else None:
            raise AllTooHeavy(
                f"the weight of no client of this round fits max_weight={self.settings.max_weight:g}, which leaves room for "
                f"weights up to {room:g}: say max_weight={largest:.17g}",
                self.failures,
            )

    def _advice(self, found: Imprecise) -> str:
        return advice(found, self.settings, self.server.params, self.clipped or 0)

    @property
    def _weight_unit(self) -> float:
        """What a weight is rounded to, up or down: 1/s of docs/protocol.md, or a little more."""
        params = self.server.params
        return params.max_weight / (params.quantization_range - 2)

    def _of_weights(self) -> str:
        """What to change where the weights make no sum."""
        return (
            f"the clients' weights are all zero, or far below max_weight={self.settings.max_weight:g}, beside which weights "
            f"below {self._weight_unit:.2g} may be lost: lower max_weight to the largest weight that a client has"
        )

    def _log(self, result: Aggregate) -> None:
        mean, asked = result.total_weight / len(result.survivors), self.settings.max_weight
        if mean > asked + self._weight_unit and not self.uniform_weights:
            LOG.log(
                WARNING, "the clients' weights are %g on average, above max_weight=%g. They are right in the mean, as there is "
                "room for weights up to %g; say max_weight=%g to keep it so in larger cohorts",
                mean, asked, self.server.params.max_weight, power_of_two_above(mean),
            )  # fmt: skip
        LOG.log(
            INFO, "secure aggregation: the mean of %d of %d clients, each element within %.2g, in %.1f s",
            len(result.survivors), len(self.nodes), self._widest_bound(), sum(stage.seconds for stage in self.stages),
        )  # fmt: skip
        if result.warning is not None:
            LOG.log(WARNING, "%s", self._advice(result.warning))
        for words in of_arrays(self.layout, result.mean, self.server.params.clipping_range, result.error_bound):
            LOG.log(WARNING, "%s", words)
        if result.clipped:
            LOG.log(
                WARNING, "%d of %d clients clipped: raise clipping_range, for the arrays that their logs name",
                result.clipped, len(result.survivors),
            )  # fmt: skip
        for holder, owner in result.false_shares:
            LOG.log(WARNING, "node %d holds a false share of node %d: one of them lied", holder, owner)


def _blamed(abort: Abort) -> list[int]:
    """The nodes that lied, as far as can be told (docs/protocol.md, section 13), or else the one whose
    secret is not recovered."""
    suspects = [node for node, _ in abort.suspects]
    return suspects or [node for node in [abort.client] if node is not None]


def _arrays_of(content: RecordDict) -> tuple[tuple[str, str, str, int], ...]:
    """The arrays of a content by name, type and the identity of their bytes."""
    return tuple(
        (record, name, array.stype, id(array.data))
        for record, arrays in of_kind(ArrayRecord, content).items()
        for name, array in arrays.items()
    )


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
        pulled = list(grid.pull_messages(waiting))
        while pulled:
            reply = pulled.pop(0)  # None is held longer than it takes to add it.
            message_id = reply.metadata.reply_to_message_id
            waiting.discard(message_id)
            pause = FIRST_PAUSE
            yield asked.get(message_id, reply.metadata.src_node_id), reply
            del reply
        left = float("inf") if end is None else end - time.monotonic()
        if not waiting or left <= 0:
            return
        time.sleep(min(pause, left))
        pause = min(2 * pause, LONGEST_PAUSE)
