"""Secure aggregation for Flower's legacy server: fit workflows, by Flower's own names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from logging import ERROR, INFO
from typing import Literal, cast

from flwr.app import Context, MessageType
from flwr.common import Code, FitRes, Parameters, Status
from flwr.server import LegacyContext
from flwr.server.client_proxy import ClientProxy

from . import strategies
from ._flwr import Grid, recorddict_compat
from ._records import LOG
from .averaged import AveragedMetrics
from .errors import AllTooHeavy, RoundFailed
from .layout import as_floats
from .ranges import patterns, ranges_of
from .round import Outcome, Round
from .settings import Settings
from .terms import bounds
from .workflow_state import WorkflowState

CONFIG, PARAMETERS, CURRENT_ROUND = "config", "parameters", "current_round"
"""Where Flower's default workflow keeps the round's number and the model."""


class SecAggPlusWorkflow:
    """The fit workflow of SecAgg+: the strategy's `aggregate_fit` gets the weighted mean, and nothing else.

    ``DefaultWorkflow(fit_workflow=SecAggPlusWorkflow(num_shares=5, reconstruction_threshold=3))``,
    with `secaggplus_mod` among the clients' mods. Four stages: *setup*, *share keys*, *collect
    masked vectors* (the clients train), *unmask*. Clients may drop out in each. Every survivor's
    ``FitRes`` holds the mean in floats, a fair part of the total ``num_examples``, and the averages
    of `metrics`; what a client itself said of these is not known to the server.

    What the strategy returns is cast back to the dtypes of the model.

    A round that cannot finish calls `aggregate_fit` without results and with its failures, as
    Flower does when no client answers, and says why in the log: the model stays as it is. A run of
    several rounds of which none had a mean raises in its last.

    Parameters
    ----------
    num_shares : int or float
        Shares of each client's secrets as Flower counts them, the client itself included: a count,
        or a fraction of the cohort. A client has one neighbour more than this, where the cohort has
        so many.
    reconstruction_threshold : int or float
        Shares that recover a secret: a count, or a fraction of the shares.
    max_weight : float
        The ``num_examples`` of a client up to which there is always room. Precision falls as
        ``max_weight / num_examples``. Larger ones are taken, at the same precision, as far as the
        modulus has room: half or a quarter of ``modulus_range / (clients * quantization_range)``
        times `max_weight`. A client above that drops out.
    clipping_range : float or mapping of str to float
        Parameters are clipped to plus or minus this. A mapping has ranges by place, a string:
        ``{"3": 1e4, "*": 8.0}``. The first pattern that matches decides, and ``"*"`` for the rest
        (8.0 unless given).
    quantization_range : int or "auto"
        Levels into which the clipping range is quantized for `max_weight`, 7 at least: two or four
        times as many where `modulus_range` has room. "auto" for as many as it has room for.
    modulus_range : int
        The modulus of all sums, a power of two that holds ``clients * (quantization_range - 1)``.
    timeout : float or None
        Seconds that each stage waits for replies; None to wait for all of them, or for Flower to give nodes up.
    metrics : mapping of str to float, or sequence of str
        Metrics of the clients' ``FitRes`` to average under the mask, each with the largest absolute value it may have
        (`clipping_range` unless given). All others are dropped, and named in the client's log.
    same_model : bool
        Whether all clients start from the same model, which they then check.
    uniform_weights : bool
        Whether all updates weigh the same, as differential privacy on the server takes for granted.
    skip : sequence of str
        Places of arrays that are not averaged, as strings or patterns: ``["3", "5"]``. The model
        keeps the value that was sent.

    Raises
    ------
    ValueError, TypeError
        For parameters that no round could have.
    """

    def __init__(
        self,
        num_shares: int | float,
        reconstruction_threshold: int | float,
        *,
        max_weight: float = 1000.0,
        clipping_range: float | Mapping[str, float] = 8.0,
        quantization_range: int | Literal["auto"] = 4194304,
        modulus_range: int = 4294967296,
        timeout: float | None = None,
        metrics: Mapping[str, float] | Sequence[str] = (),
        same_model: bool = True,
        uniform_weights: bool = False,
        skip: Sequence[str] = (),
    ) -> None:
        self.num_shares = num_shares
        self.reconstruction_threshold = reconstruction_threshold
        self.max_weight = max_weight
        self.clipping_range = clipping_range
        self.quantization_range = quantization_range
        self.modulus_range = modulus_range
        self.timeout = timeout
        self.skip = skip
        self.metrics = bounds(metrics, self.settings.clipping_range)
        self.same_model = same_model
        self.uniform_weights = uniform_weights
        self._has_mean = False

    @property
    def settings(self) -> Settings:
        """The parameters, checked.

        Raises
        ------
        ValueError, TypeError
            For parameters that no round could have.
        """
        clipping_range, ranges = ranges_of(self.clipping_range)
        return Settings(
            self.num_shares,
            self.reconstruction_threshold,
            self.max_weight,
            clipping_range,
            self.quantization_range,
            self.modulus_range,
            self.timeout,
            skip=patterns(self.skip),
            ranges=ranges,
            counts_itself=True,
        )

    def __call__(self, grid: Grid, context: Context) -> None:
        """Runs one round.

        Raises
        ------
        TypeError
            If the context is no legacy one, or the strategy needs the updates of single clients.
        secagg.Misuse
            If the parameters do not fit the cohort or the model, or the weight of no client fits
            `max_weight` and no round of the run has had a mean.
        RoundFailed
            After the last of several rounds if none had a mean.
        """
        if not isinstance(context, LegacyContext):
            raise TypeError(f"Expect a LegacyContext, but get {type(context).__name__}.")
        strategies.check(context.strategy, uniform_weights=self.uniform_weights)
        if _current_round(context) == 1:
            strategies.say_what_metrics_need(context.strategy, self.metrics)
        state = WorkflowState(settings=self.settings)
        stages = (
            self.setup_stage,
            self.share_keys_stage,
            self.collect_masked_vectors_stage,
            self.unmask_stage,
        )
        if not all(stage(grid, context, state) for stage in stages):
            self._check_weights(context, state)
            self._give_up(context, state)
        self._check_run(context, state)

    def setup_stage(self, grid: Grid, context: LegacyContext, state: WorkflowState) -> bool:
        """Lets the strategy choose clients, opens the round, and collects their public keys."""
        parameters = recorddict_compat.arrayrecord_to_parameters(
            context.state.array_records[PARAMETERS], keep_input=True
        )
        instructions = context.strategy.configure_fit(
            _current_round(context), parameters, context.client_manager
        )
        if not instructions:
            LOG.log(INFO, "configure_fit: no clients selected, cancel")
            return False
        for proxy, fitins in instructions:
            state.nid_to_proxies[proxy.node_id] = proxy
            state.nid_to_fitins[proxy.node_id] = recorddict_compat.fitins_to_recorddict(fitins, True)
        state.sampled_node_ids = set(state.nid_to_proxies)
        state.round = self._open(context, state)
        if not self._run_stage(grid, state):
            return False
        state.note_keys()
        return True

    def share_keys_stage(self, grid: Grid, context: LegacyContext, state: WorkflowState) -> bool:
        """Hands out the neighbours' public keys, and collects the sealed shares of the clients' secrets."""
        return self._run_stage(grid, state)

    def collect_masked_vectors_stage(self, grid: Grid, context: LegacyContext, state: WorkflowState) -> bool:
        """Hands out shares and instructions to train, and adds up the masked updates as they come."""
        return self._run_stage(grid, state)

    def unmask_stage(self, grid: Grid, context: LegacyContext, state: WorkflowState) -> bool:
        """Collects what takes the masks off, and gives the mean to the strategy."""
        if not self._run_stage(grid, state):
            return False
        try:
            state.outcome = outcome = state.opened().outcome()
        except RoundFailed as error:
            state.failures.append(error)
            return False
        state.legacy_results = _results(state, outcome)
        self._aggregate(context, state, state.legacy_results)
        return True

    def _open(self, context: LegacyContext, state: WorkflowState) -> Round:
        return Round(
            state.nid_to_fitins,
            self.settings,
            MessageType.TRAIN,
            str(_current_round(context)),
            context.run_id,
            _current_round(context),
            metrics=self.metrics,
            same_model=self.same_model,
            uniform_weights=self.uniform_weights,
        )

    def _run_stage(self, grid: Grid, state: WorkflowState) -> bool:
        round_ = state.opened()
        try:
            asked = set(round_.server.requests)
            round_.run_stage(grid, self.settings.timeout)
        except RoundFailed as error:
            state.failures.append(error)
            return False
        state.active_node_ids = set(round_.server.requests) or asked - set(round_.failures)
        return True

    def _check_weights(self, context: LegacyContext, state: WorkflowState) -> None:
        """Raises if the weight of no client fits and no round of the run has had a mean."""
        heavy = next((error for error in state.failures if isinstance(error, AllTooHeavy)), None)
        if heavy and not (self._has_mean and _current_round(context) > 1):
            raise heavy

    def _give_up(self, context: LegacyContext, state: WorkflowState) -> None:
        """Tells the log and the strategy that there is nothing to aggregate."""
        if state.round is None:
            return
        for error in state.failures:
            LOG.log(ERROR, "%s", error)
        self._aggregate(context, state, [])

    def _check_run(self, context: LegacyContext, state: WorkflowState) -> None:
        """Raises after the last of several rounds if none had a mean: the model is then the initial
        one.

        The only round of a run, and a last one of too few clients to begin with, are reported as
        any failed round is.
        """
        current_round = _current_round(context)
        self._has_mean = state.outcome is not None or (self._has_mean and current_round > 1)
        last = next((error for error in state.failures if isinstance(error, RoundFailed)), None)
        was_run = state.round is not None and state.round.stages
        if last and was_run and not self._has_mean and current_round >= max(context.config.num_rounds, 2):
            raise RoundFailed.of_run(last) from last

    def _aggregate(
        self,
        context: LegacyContext,
        state: WorkflowState,
        results: list[tuple[ClientProxy, FitRes]],
    ) -> None:
        said = map(Exception, state.opened().failures.values())
        failures: list[tuple[ClientProxy, FitRes] | BaseException] = [*state.failures, *said]
        LOG.log(INFO, "aggregate_fit: received %s results and %s failures", len(results), len(failures))
        current_round = _current_round(context)
        parameters, metrics = context.strategy.aggregate_fit(current_round, results, failures)
        if parameters:
            record = recorddict_compat.parameters_to_arrayrecord(parameters, True)
            record = state.opened().layout.cast_back(record)
            context.state.array_records[PARAMETERS] = record
            context.history.add_metrics_distributed_fit(server_round=current_round, metrics=metrics)


class SecAggWorkflow(SecAggPlusWorkflow):
    """The fit workflow of SecAgg: every client shares its secrets with all others.

    ``DefaultWorkflow(fit_workflow=SecAggWorkflow(reconstruction_threshold=0.67))``, with `secagg_mod` among the clients' mods. In
    all else it is `SecAggPlusWorkflow`, whose other parameters it takes too.

    Parameters
    ----------
    reconstruction_threshold : int or float
        Shares that recover a secret: a count, or a fraction of the shares.
    """

    def __init__(
        self,
        reconstruction_threshold: int | float,
        *,
        max_weight: float = 1000.0,
        clipping_range: float | Mapping[str, float] = 8.0,
        quantization_range: int | Literal["auto"] = 4194304,
        modulus_range: int = 4294967296,
        timeout: float | None = None,
        metrics: Mapping[str, float] | Sequence[str] = (),
        same_model: bool = True,
        uniform_weights: bool = False,
        skip: Sequence[str] = (),
    ) -> None:
        super().__init__(
            1.0,
            reconstruction_threshold,
            max_weight=max_weight,
            clipping_range=clipping_range,
            quantization_range=quantization_range,
            modulus_range=modulus_range,
            timeout=timeout,
            metrics=metrics,
            same_model=same_model,
            uniform_weights=uniform_weights,
            skip=skip,
        )


def _current_round(context: LegacyContext) -> int:
    return cast(int, context.state.config_records[CONFIG][CURRENT_ROUND])


def _results(state: WorkflowState, outcome: Outcome) -> list[tuple[ClientProxy, FitRes]]:
    """The mean in every survivor's name, as strategies expect results."""
    (record,) = outcome.records.values()
    parameters = recorddict_compat.arrayrecord_to_parameters(as_floats(record), keep_input=True)
    return [
        (state.nid_to_proxies[node], _fitres(parameters, place, outcome))
        for place, node in enumerate(outcome.survivors)
    ]


def _fitres(parameters: Parameters, place: int, outcome: Outcome) -> FitRes:
    """Examples are shared out, in parts that differ by one at most: who had how many is hidden."""
    total, clients = round(outcome.total_weight), len(outcome.survivors)
    examples = total // clients + (place < total % clients)
    metrics = AveragedMetrics(outcome.metrics_for(place))
    return FitRes(Status(Code.OK, ""), parameters, examples, metrics)
