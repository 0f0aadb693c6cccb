"""Secure aggregation for Flower's Message API: a grid around another one."""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterable, Mapping, Sequence
from logging import ERROR
from types import FrameType
from typing import Any, Literal

from flwr.app import ArrayRecord, Error, Message, RecordDict

from secagg import Misuse

from . import strategies
from ._flwr import ErrorCode, Grid
from ._records import LOG
from .averaged import AveragedRecord
from .deadlines import Deadlines
from .errors import AllTooHeavy, RoundFailed
from .layout import stand_ins
from .ranges import patterns, ranges_of
from .report import RoundReport
from .returning import CastingBack
from .round import Outcome, Round
from .settings import Settings, amount, positive
from .terms import NUM_EXAMPLES, bounds


class SecAggGrid(Grid):
    """A grid whose training messages run a round of secure aggregation.

    ``strategy.start(grid=SecAggGrid(grid), ...)``, with `secagg_mod` first among the clients' mods; the strategy is
    Flower's own, and sees one reply for each survivor. All of them hold the weighted mean, in the names, shapes and dtypes of
    the model that was sent, a fair part of the total weight, and the averages of `metrics`. What a single client
    replied is not known to the server. Nodes that dropped out have an error for a reply.

    A round that cannot finish has errors for all its replies, which say why; the strategy then has nothing to
    aggregate, and its model stays as it is.

    Parameters
    ----------
    grid : Grid
        The grid that Flower gives to the ServerApp.
    reconstruction_threshold : int or float
        Shares that recover a secret: a count, or a fraction of the shares.
    num_shares : int or float
        Neighbours of each client, with which it shares its secrets: a count, or a fraction of the cohort. SecAgg is 1.0.
    max_weight : float
        The weight (number of examples) of a client up to which there is always room. Precision
        falls as ``max_weight / weight``. Larger ones are taken as far as the modulus has room; a
        client above that drops out.
    clipping_range : float or mapping of str to float
        Arrays are clipped to plus or minus this. A mapping has ranges by patterns of names:
        ``{"*.running_var": 1e4, "*": 8.0}``. The first pattern that matches decides, and ``"*"``
        for the rest (8.0 unless given).
    quantization_range : int or "auto"
        Levels of the quantizer, 7 at least, and two or four times as many where `modulus_range` has
        room; "auto" for as many as it has room for.
    modulus_range : int
        As for `SecAggPlusWorkflow`.
    timeout : float or None
        Seconds that each stage but training waits for replies. The strategy's own timeout is that
        of all stages together: whatever this is, no stage but training takes more than a fifth of
        it, and as much is kept back for each stage that follows. So training ends early enough for
        the round to finish.
    train_timeout : float or None
        Seconds after which training is closed with the answers that are there; None for as long as
        the strategy's timeout leaves. Whoever is later is not in the mean.
    min_answers : int or float
        Answers after which training is closed at once, if they are enough to finish the round: a
        count, or a fraction of the nodes that were asked to train. 1.0 waits for all of them.
    weighted_by : str
        The strategy's ``weighted_by_key``.
    metrics : mapping of str to float, or sequence of str
        Metrics of training to average under the mask, each with the largest absolute value it may have (`clipping_range` unless
        given). All others are dropped.
    evaluate_metrics : mapping of str to float, or sequence of str
        The same for evaluation. Without any, evaluation messages pass through, and their replies are in clear.
    same_model : bool
        Whether all clients start from the same model, which they then check.
    uniform_weights : bool
        Whether all updates weigh the same, as differential privacy on the server takes for granted.
    skip : sequence of str
        Patterns (as in `fnmatch`) of arrays that are not averaged: the model keeps the value that
        was sent. ``["*", "!*lora*"]`` skips all but some.

    Raises
    ------
    ValueError, TypeError
        For parameters that no round could have, of whatever size; `secagg.Misuse` is a ValueError.
    """

    def __init__(
        self,
        grid: Grid,
        reconstruction_threshold: int | float = 2 / 3,
        *,
        num_shares: int | float = 1.0,
        max_weight: float = 1000.0,
        clipping_range: float | Mapping[str, float] = 8.0,
        quantization_range: int | Literal["auto"] = "auto",
        modulus_range: int = 4294967296,
        timeout: float | None = None,
        train_timeout: float | None = None,
        min_answers: int | float = 1.0,
        weighted_by: str = NUM_EXAMPLES,
        metrics: Mapping[str, float] | Sequence[str] = (),
        evaluate_metrics: Mapping[str, float] | Sequence[str] = (),
        same_model: bool = True,
        uniform_weights: bool = False,
        skip: Sequence[str] = (),
    ) -> None:
        own_range, ranges = ranges_of(clipping_range)
        self.settings = Settings(
            num_shares,
            reconstruction_threshold,
            max_weight,
            own_range,
            quantization_range,
            modulus_range,
            timeout,
            skip=patterns(skip),
            ranges=ranges,
        )
        if self.settings.least_cohort() is None:
            self.settings.params(_any_cohort(self.settings), 1)  # Raises, and says why.
        self._train_timeout = None if train_timeout is None else positive("train_timeout", train_timeout)
        self._min_answers = amount("min_answers", min_answers, least=1)
        self._grid = grid
        self._weighted_by = weighted_by
        self._metrics = bounds(metrics, own_range)
        self._evaluate_metrics = bounds(evaluate_metrics, own_range)
        self._same_model = same_model
        self._uniform_weights = uniform_weights
        self._has_mean = False
        self.last_round: Round | None = None
        """The last round: its `failures` by node, `false_shares`, the reports of its `stages`, and
        of its mean the `error_bound` and the number of clients that `clipped`."""
        self.rounds: list[RoundReport] = []
        """A report of each round so far, the oldest first."""

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> Iterable[Message]:
        """Runs a round over training messages; others pass through.

        Raises
        ------
        UnsuitableStrategy
            If the strategy that calls needs the updates of single clients.
        secagg.Misuse
            If training messages are mixed with others, or a node is sent two, or the parameters do
            not fit, or the weight of no client does and no round has had a mean.
        RoundFailed
            In the last of several rounds of a strategy's run if none had a mean.
        """
        messages = list(messages)
        kinds = {_category(message) for message in messages}
        if kinds.isdisjoint(self._aggregated):
            return self._grid.send_and_receive(messages, timeout=timeout)
        strategy = _calling_strategy()
        strategies.check(
            strategy,
            uniform_weights=self._uniform_weights,
            metrics=self._metrics if kinds == {"train"} else None,
        )
        self._check(messages, kinds)
        if "train" in kinds and self.last_round is None:
            strategies.say_what_metrics_need(strategy, self._metrics)
        return self._aggregate(messages, timeout)

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Pushes messages that are not to be aggregated.

        Raises
        ------
        secagg.Misuse
            For those that are: a round takes several messages for each, which `send_and_receive` sends.
        """
        messages = list(messages)
        if not {_category(message) for message in messages}.isdisjoint(self._aggregated):
            raise Misuse("training messages are aggregated by send_and_receive alone, not pushed one by one")
        return self._grid.push_messages(messages)

    # --- As the grid inside ------------------------------------------------------------------------

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """Pulls replies to messages that were pushed."""
        return self._grid.pull_messages(message_ids)

    def get_node_ids(self) -> Iterable[int]:
        """The ids of all nodes."""
        return self._grid.get_node_ids()

    def set_run(self, run: Any) -> None:
        """Sets the run of the grid inside."""
        self._grid.set_run(run)

    @property
    def run(self) -> Any:
        """The run of the grid inside."""
        return self._grid.run

    def create_message(self, *args: Any, **kwargs: Any) -> Message:
        """Makes a message, as the grid inside does."""
        return self._grid.create_message(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        """Whatever else the grid inside can do."""
        if name == "_grid":
            raise AttributeError(name)
        return getattr(self._grid, name)

    # --- A round -----------------------------------------------------------------------------------

    @property
    def _aggregated(self) -> set[str]:
        return {"train", "evaluate"} if self._evaluate_metrics else {"train"}

    def _check(self, messages: list[Message], kinds: set[str]) -> None:
        if len(kinds) > 1:
            raise Misuse(f"messages of {sorted(kinds)} at once: one kind alone makes a round")
        if len({message.metadata.dst_node_id for message in messages}) < len(messages):
            raise Misuse("a node is sent two messages: in one round it has one update")

    def _aggregate(self, messages: list[Message], timeout: float | None) -> list[Message]:
        deadlines = Deadlines(timeout, self.settings.timeout, self._train_timeout)
        self.last_round = round_ = self._open(messages)
        report = RoundReport(round_.group_id, round_.message_type, round_.nodes, round_.failures, round_.stages)
        self.rounds.append(report)
        try:
            while stage := round_.server.stage:
                round_.run_stage(self._grid, deadlines.limit(stage))
            outcome = round_.outcome()
        except RoundFailed as error:
            LOG.log(ERROR, "%s", error)
            report.error = str(error)
            self._check_run(error, round_)
            return [_failure(message, _reason(message, round_, str(error))) for message in messages]
        report.survivors = outcome.survivors
        report.error_bound, report.clipped = round_.error_bound, round_.clipped
        self._has_mean |= round_.has_arrays
        return _replies(messages, outcome, round_)

    def _check_run(self, error: RoundFailed, round_: Round) -> None:
        """Raises in the last of a strategy's rounds if none had a mean: its model would be empty.

        The only round of a run is reported as any failed round is. Weights of which none fits end a
        run at once, as long as no round has had a mean.
        """
        if isinstance(error, AllTooHeavy) and not any(report.survivors for report in self.rounds):
            raise error
        current, rounds = _calling_run()
        if round_.has_arrays and not self._has_mean and 1 < rounds <= current:
            raise RoundFailed.of_run(error) from error

    def _open(self, messages: list[Message]) -> Round:
        metadata = messages[0].metadata
        is_training = _category(messages[0]) == "train"
        return Round(
            {message.metadata.dst_node_id: message.content for message in messages},
            self.settings,
            metadata.message_type,
            metadata.group_id,
            self._grid.run.run_id,
            len(self.rounds) + 1,
            weighted_by=self._weighted_by,
            metrics=self._metrics if is_training else self._evaluate_metrics,
            same_model=self._same_model,
            uniform_weights=self._uniform_weights and is_training,
            has_arrays=is_training,
            min_answers=self._min_answers,
        )


def _any_cohort(settings: Settings) -> int:
    """A cohort that is large enough for any counts among the parameters."""
    counts = [settings.num_shares, settings.reconstruction_threshold]
    return max([3, *(count + 2 for count in counts if isinstance(count, int))])


def _category(message: Message) -> str:
    return message.metadata.message_type.split(".")[0]


def _replies(messages: list[Message], outcome: Outcome, round_: Round) -> list[Message]:
    """The mean in every survivor's name, and why the others are not in it."""
    mean = _for_strategy(outcome, round_, _calling_strategy())
    weight = outcome.total_weight / len(outcome.survivors)
    places = {node: place for place, node in enumerate(outcome.survivors)}

    def reply(message: Message) -> Message:
        node = message.metadata.dst_node_id
        if node not in places:
            return _failure(message, _reason(message, round_, "no reply in time"))
        metrics = AveragedRecord({round_.weighted_by: weight, **outcome.metrics_for(places[node])})
        # A record each, since a strategy may change one reply and not mean the others.
        arrays = {name: _copy(record) for name, record in mean.items()}
        return Message(RecordDict({**arrays, "metrics": metrics}), reply_to=message)

    return [reply(message) for message in messages]


def _for_strategy(outcome: Outcome, round_: Round, strategy: Any) -> Mapping[str, ArrayRecord]:
    """The mean as a strategy can average it; what it makes of it is cast back. Without a strategy,
    as it is."""
    if not (round_.has_arrays and hasattr(strategy, "__dict__")):
        return outcome.records
    CastingBack.once(strategy, round_.layout)
    return {name: stand_ins(record) for name, record in outcome.records.items()}


def _copy(record: ArrayRecord) -> ArrayRecord:
    """The same bytes under arrays of its own."""
    return ArrayRecord({name: copy.copy(array) for name, array in record.items()})


def _reason(message: Message, round_: Round, otherwise: str) -> str:
    return round_.failures.get(message.metadata.dst_node_id, otherwise)


def _failure(message: Message, reason: str) -> Message:
    return Message(Error(code=ErrorCode.UNKNOWN, reason=reason), reply_to=message)


def _calling_strategy() -> Any:
    """The strategy on whose behalf `send_and_receive` was called, if a frame of the stack has one.

    Flower tells a grid nothing of the strategy, and a median of equal means would be wrong without an error.
    """
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        caller = frame.f_locals.get("self")
        if hasattr(caller, "configure_train") and hasattr(caller, "aggregate_train"):
            return caller
        frame = frame.f_back
    return None


def _calling_run() -> tuple[int, int]:
    """The number of the round and of all rounds, where a strategy's `start` is among the callers;
    zeros otherwise."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        current, rounds = frame.f_locals.get("current_round"), frame.f_locals.get("num_rounds")
        is_strategys = hasattr(frame.f_locals.get("self"), "aggregate_train")
        if is_strategys and isinstance(current, int) and isinstance(rounds, int):
            return current, rounds
        frame = frame.f_back
    return 0, 0
