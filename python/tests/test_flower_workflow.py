"""The legacy API: Flower's own DefaultWorkflow and strategies around our stages."""

import logging

import numpy as np
import pytest
from fleet import Fleet, legacy_app, legacy_context, moved_by
from flwr.app import Message
from flwr.common import GetParametersIns, ndarrays_to_parameters, parameters_to_ndarrays
from flwr.server.strategy import DifferentialPrivacyServerSideFixedClipping, FedAvg, FedMedian, Krum
from flwr.server.workflow import DefaultWorkflow
from secagg import Misuse
from secagg.flower import (
    SecAggGrid,
    SecAggPlusWorkflow,
    SecAggWorkflow,
    UnsuitableStrategy,
    secagg_mod,
    secaggplus_mod,
)
from secagg.flower._flwr import recorddict_compat

MODEL = [np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3), np.array(0.5, np.float32)]
STAGES = ["setup", "share_keys", "collect_masked_vectors", "unmask"]
ERROR = 2 * 8 / (2**22 - 1) * 1000 / 10 + 1e-6
"""Each client's rounding is below one level; weights of 10 use a hundredth of max_weight."""


class Recording(FedAvg):
    """FedAvg that remembers what it was given."""

    def __init__(self, **more):
        nodes = more.pop("nodes", 5)
        super().__init__(
            initial_parameters=more.pop("initial_parameters", ndarrays_to_parameters(MODEL)),
            min_fit_clients=nodes, min_available_clients=nodes, fraction_evaluate=0.0, **more,
        )  # fmt: skip
        self.given = []

    def aggregate_fit(self, server_round, results, failures):
        self.given.append((results, failures))
        return super().aggregate_fit(server_round, results, failures)


def run(workflow, fleet, strategy=None, rounds=1):
    """Runs Flower's default workflow around ours; gives the model it ends with, and the strategy."""
    context = legacy_context(strategy or Recording(nodes=len(fleet.apps)), rounds)
    DefaultWorkflow(fit_workflow=workflow)(fleet, context)
    record = context.state.array_records["parameters"]
    return [array.numpy() for array in record.values()], context


def fleet(steps, mods=None, weights=None, metrics=None, **more):
    weights = weights or [10] * len(steps)
    apps = [
        legacy_app(moved_by(step, weight, **(metrics or {})), mods or [secagg_mod])
        for step, weight in zip(steps, weights, strict=True)
    ]
    return Fleet(apps, **more)


@pytest.mark.parametrize(
    ("workflow", "mod"),
    [
        (SecAggWorkflow(0.6), secagg_mod),
        (SecAggWorkflow(2), secagg_mod),
        (SecAggPlusWorkflow(3, 2), secaggplus_mod),
        (SecAggPlusWorkflow(4, 3), secaggplus_mod),
        (SecAggPlusWorkflow(0.6, 0.6), secaggplus_mod),
        (SecAggPlusWorkflow(1, 1), secaggplus_mod),
    ],
)
def test_the_strategy_gets_the_weighted_mean(workflow, mod):
    clients = fleet([0.1, 0.2, 0.3, 0.4, 0.5], [mod], weights=[10, 20, 30, 40, 50])
    model, context = run(workflow, clients)
    step = np.average([0.1, 0.2, 0.3, 0.4, 0.5], weights=[10, 20, 30, 40, 50])
    for found, start in zip(model, MODEL, strict=True):
        np.testing.assert_allclose(found, start + step, atol=ERROR)
    results, failures = context.strategy.given[0]
    assert len(results) == 5 and not failures
    assert sum(fitres.num_examples for _, fitres in results) == 150


def test_all_updates_weigh_the_same_if_asked_for():
    clients = fleet([0.1, 0.2, 0.3, 0.4, 0.5], weights=[10, 20, 30, 40, 50])
    model, _ = run(SecAggWorkflow(3, uniform_weights=True), clients)
    np.testing.assert_allclose(model[0], MODEL[0] + 0.3, atol=ERROR / 50)


def test_dtypes_and_shapes_of_the_model_come_back():
    """The strategy itself computes in 32 bits at least; every dtype is in test_flower_legacy_models."""
    start = [np.zeros((2, 3), np.float64), np.array(0.5, np.float16), np.zeros((0, 3), np.float32)]
    strategy = Recording(initial_parameters=ndarrays_to_parameters(start))
    model, _ = run(SecAggWorkflow(3), fleet([0.25] * 5), strategy)
    assert [(a.dtype, a.shape) for a in model] == [(a.dtype, a.shape) for a in start]
    np.testing.assert_allclose(model[1], 0.75, atol=1e-3)
    for _, fitres in strategy.given[0][0]:
        found = parameters_to_ndarrays(fitres.parameters)
        assert [(a.dtype.kind, a.shape) for a in found] == [("f", a.shape) for a in start]


def test_rounds_follow_each_other():
    model, context = run(SecAggPlusWorkflow(3, 2), fleet([0.1] * 5), rounds=3)
    np.testing.assert_allclose(model[0], MODEL[0] + 0.3, atol=3 * ERROR)


@pytest.mark.parametrize("stage", STAGES)
def test_clients_may_drop_out_at_any_stage(stage):
    clients = fleet([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], vanish={102: stage, 104: stage})
    model, context = run(SecAggWorkflow(2), clients)
    steps = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6] if stage == "unmask" else [0.1, 0.3, 0.5, 0.6]
    np.testing.assert_allclose(model[0], MODEL[0] + np.mean(steps), atol=ERROR)
    assert len(context.strategy.given[0][0]) == len(steps)


@pytest.mark.parametrize("stage", ["setup", "share_keys"])
def test_who_is_gone_before_the_keys_are_shared_costs_no_training(stage):
    clients = fleet([0.1] * 5, vanish={103: stage})
    run(SecAggWorkflow(2), clients)
    assert [app.client.trained for app in clients.apps.values()] == [1, 1, 0, 1, 1]


def test_too_few_keys_end_the_round_before_anyone_has_trained():
    clients = fleet([0.1] * 5, vanish={101: "share_keys", 102: "share_keys", 103: "share_keys"})
    model, context = run(SecAggWorkflow(3), clients)
    assert not any(app.client.trained for app in clients.apps.values())
    np.testing.assert_array_equal(model[0], MODEL[0])


@pytest.mark.parametrize("stage", STAGES)
def test_a_round_that_cannot_finish_is_reported_to_the_strategy_and_the_next_one_runs(stage, caplog):
    clients = fleet([0.1] * 5, vanish={101: stage, 102: stage, 103: stage})

    class Back(SecAggWorkflow):
        def __call__(self, grid, context):
            super().__call__(grid, context)
            grid.vanish.clear(), grid.gone.clear()

    with caplog.at_level(logging.ERROR, logger="flwr"):
        model, context = run(Back(3), clients, rounds=2)
    (results, failures), (second, _) = context.strategy.given
    assert not results and "secure aggregation failed" in str(failures[0])
    assert f"failed in {stage}" in caplog.text
    assert len(second) == 5
    np.testing.assert_allclose(model[0], MODEL[0] + 0.1, atol=ERROR)


def test_stages_can_be_overridden_and_stop_the_round():
    class Mine(SecAggPlusWorkflow):
        seen = []

        def setup_stage(self, grid, context, state):
            self.seen.append("setup")
            return super().setup_stage(grid, context, state)

        def share_keys_stage(self, grid, context, state):
            self.seen.append("share_keys")
            assert super().share_keys_stage(grid, context, state) is True
            return False

        def collect_masked_vectors_stage(self, grid, context, state):
            raise AssertionError("the stage before said no")

    clients = fleet([0.1] * 5)
    model, context = run(Mine(3, 2), clients)
    assert Mine.seen == ["setup", "share_keys"]
    np.testing.assert_array_equal(model[0], MODEL[0])


def test_a_stage_waits_no_longer_than_the_timeout():
    """Three nodes are silent, from three stages on."""
    import time

    clients = fleet(
        [0.1] * 6, vanish={101: "setup", 102: "share_keys", 103: "collect_masked_vectors"}, silent=True
    )
    started = time.monotonic()
    model, _ = run(SecAggWorkflow(2, timeout=1), clients)
    assert 3 <= time.monotonic() - started < 12
    np.testing.assert_allclose(model[0], MODEL[0] + 0.1, atol=ERROR)


def test_without_initial_parameters_one_client_gives_its_own_before_it_trains():
    strategy = Recording(initial_parameters=None)
    model, _ = run(SecAggWorkflow(3), fleet([0.1] * 5), strategy)
    np.testing.assert_allclose(model[0], np.full((2, 3), 0.1), atol=ERROR)


def test_a_client_that_has_trained_does_not_show_its_parameters():
    clients = fleet([0.1] * 5)
    ask = [
        Message(recorddict_compat.getparametersins_to_recorddict(GetParametersIns({})), 101, "get_parameters")
    ]
    (before,) = clients.send_and_receive(ask)
    assert before.has_content()
    run(SecAggWorkflow(3), clients)
    (after,) = clients.send_and_receive(ask)
    assert "initial_parameters" in after.error.reason


def test_metrics_are_dropped_unless_they_are_averaged_under_the_mask():
    metrics = {"loss": 0.75, "accuracy": 0.5}
    _, context = run(SecAggWorkflow(3), fleet([0.1] * 5, metrics=metrics))
    assert all(fitres.metrics == {} for _, fitres in context.strategy.given[0][0])
    _, context = run(SecAggWorkflow(3, metrics={"loss": 2.0}), fleet([0.1] * 5, metrics=metrics))
    for _, fitres in context.strategy.given[0][0]:
        assert fitres.metrics == {"loss": pytest.approx(0.75, abs=1e-4)}


def test_what_arrives_is_masked_and_nothing_else():
    clients = fleet([0.1] * 5, metrics={"loss": 0.75})
    run(SecAggWorkflow(3), clients)
    for _, _, reply in clients.received:
        assert list(reply.content) == ["secagg"] and list(reply.content["secagg"]) == ["message"]


@pytest.mark.parametrize("strategy", [Krum, FedMedian])
def test_strategies_that_compare_updates_are_refused(strategy):
    with pytest.raises(UnsuitableStrategy, match=strategy.__name__):
        run(SecAggWorkflow(3), fleet([0.1] * 5), strategy(initial_parameters=ndarrays_to_parameters(MODEL)))


def test_clipping_on_the_server_is_refused_and_the_client_side_named():
    inner = Recording()
    strategy = DifferentialPrivacyServerSideFixedClipping(inner, 1.0, 1.0, 5)
    with pytest.raises(UnsuitableStrategy, match="DifferentialPrivacyClientSideFixedClipping"):
        run(SecAggWorkflow(3), fleet([0.1] * 5), strategy)


def test_parameters_that_do_not_fit_the_cohort_say_what_to_change():
    with pytest.raises(Misuse, match="modulus"):
        run(SecAggWorkflow(3, modulus_range=2**24), fleet([0.1] * 5))


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        ({"num_shares": 2}, ValueError), ({"num_shares": -1}, ValueError), ({"num_shares": 0.0}, ValueError),
        ({"num_shares": "3"}, TypeError), ({"num_shares": True}, TypeError), ({"num_shares": float("nan")}, ValueError),
        ({"reconstruction_threshold": 3}, ValueError), ({"reconstruction_threshold": 0}, ValueError),
        ({"reconstruction_threshold": -1}, ValueError), ({"reconstruction_threshold": 1.5}, ValueError),
        ({"reconstruction_threshold": 0.0}, ValueError), ({"max_weight": 0}, ValueError),
        ({"max_weight": float("nan")}, ValueError), ({"clipping_range": -8}, ValueError),
        ({"quantization_range": 2.0}, ValueError), ({"quantization_range": 0}, ValueError),
        ({"quantization_range": 2}, ValueError), ({"quantization_range": 6}, ValueError),
        ({"modulus_range": 2**22}, ValueError), ({"modulus_range": 2**32 - 1}, ValueError),
        ({"timeout": 0}, ValueError), ({"timeout": "1"}, TypeError), ({"metrics": "loss"}, TypeError),
        ({"metrics": {"loss": 0.0}}, ValueError),
    ],
)  # fmt: skip
def test_parameters_that_no_round_could_have_are_refused_at_once(bad, error):
    with pytest.raises(error):
        SecAggPlusWorkflow(**{"num_shares": 3, "reconstruction_threshold": 2, **bad})


def test_the_fewest_levels_are_those_of_the_quantizer():
    for levels in (2, 6):
        with pytest.raises(ValueError, match=f"`quantization_range` must be an integer and at least 7, .* not {levels}"):
            SecAggGrid(None, quantization_range=levels)
    assert SecAggGrid(None, quantization_range=7).settings.quantization_range == 7


def test_a_context_of_the_other_api_is_refused():
    from fleet import context_of

    with pytest.raises(TypeError, match="LegacyContext"):
        SecAggWorkflow(3)(fleet([0.1] * 5), context_of(1))
