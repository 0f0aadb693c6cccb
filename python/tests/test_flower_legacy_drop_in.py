"""Apps that were written for Flower's own secure aggregation, with one import changed."""

import logging

import numpy as np
import pytest
import secagg
from fleet import Fleet, legacy_app, legacy_context, message_app, moved_by, stage_of
from flwr.app import ArrayRecord, MetricRecord
from flwr.client.mod import secaggplus_mod as flowers_mod
from flwr.common import ndarrays_to_parameters
from flwr.server.strategy import FedAvg
from flwr.server.workflow import DefaultWorkflow
from flwr.server.workflow.secure_aggregation import secaggplus_workflow as flowers
from flwr.serverapp import strategy as message_api
from secagg.flower import (
    RoundFailed,
    SecAggGrid,
    SecAggPlusWorkflow,
    SecAggWorkflow,
    WorkflowState,
    secagg_mod,
    secaggplus_mod,
)

MODEL = [np.zeros((2, 3), np.float32), np.zeros(4, np.float32)]
STAGES = ["setup", "share_keys", "collect_masked_vectors", "unmask"]


def run(workflow, fleet, rounds=1, strategy=FedAvg, **more):
    """Runs Flower's default workflow around ours, and gives its context."""
    nodes = len(fleet.apps)
    context = legacy_context(
        strategy(
            initial_parameters=ndarrays_to_parameters(MODEL), min_fit_clients=nodes,
            min_available_clients=nodes, fraction_evaluate=0.0, **more,
        ),
        rounds,
    )  # fmt: skip
    DefaultWorkflow(fit_workflow=workflow)(fleet, context)
    return context


def fleet(nodes=5, train=None, weights=None, **more):
    weights = weights or [10] * nodes
    return Fleet(
        [legacy_app(train or moved_by(0.5, weight, loss=0.75), [secaggplus_mod]) for weight in weights], **more
    )


def model(context):
    return [array.numpy() for array in context.state.array_records["parameters"].values()]


# --- A workflow of one's own (F3) --------------------------------------------------------------------


class Shown(SecAggPlusWorkflow):
    """Notes the state after each stage, and has one client drop out, by its configuration."""

    def __init__(self, *args, **more):
        super().__init__(*args, **more)
        self.seen = {}

    def setup_stage(self, grid, context, state):
        goes_on = super().setup_stage(grid, context, state)
        self.nodes = sorted(state.active_node_ids)
        state.nid_to_fitins[self.nodes[0]]["fitins.config"]["drop"] = True
        self.seen["state"] = state
        return goes_on

    def collect_masked_vectors_stage(self, grid, context, state):
        assert state.aggregate_ndarrays == []
        goes_on = super().collect_masked_vectors_stage(grid, context, state)
        self.seen["dropped"] = state.sampled_node_ids - state.active_node_ids
        self.seen["masked"] = [array.copy() for array in state.aggregate_ndarrays]
        return goes_on

    def unmask_stage(self, grid, context, state):
        goes_on = super().unmask_stage(grid, context, state)
        self.seen["active at last"] = set(state.active_node_ids)
        return goes_on


def test_a_workflow_that_shows_the_masked_sum_runs_with_one_import_changed():
    class Dropping(FedAvg):
        pass

    clients = fleet()
    for app in clients.apps.values():
        fit = app.client.fit

        def drop(parameters, config, fit=fit):
            if config.get("drop"):
                raise RuntimeError("dropped, as it was told to")
            return fit(parameters, config)

        app.client.fit = drop
    workflow = Shown(num_shares=3, reconstruction_threshold=2, max_weight=10, timeout=20.0)
    context = run(workflow, clients, strategy=Dropping)
    assert workflow.seen["dropped"] == {workflow.nodes[0]}
    assert workflow.seen["active at last"] == set(workflow.nodes[1:])
    weight, first, second = workflow.seen["masked"]
    assert weight.shape == (1,) and first.shape == (2, 3) and second.shape == (4,)
    assert len(np.unique(np.concatenate([first.ravel(), second]))) > 8, "lanes look random"
    np.testing.assert_allclose(model(context)[0], 0.5, atol=5e-4)


def test_the_state_has_flowers_names():
    workflow = Shown(num_shares=3, reconstruction_threshold=2, max_weight=500)
    run(workflow, fleet(9))
    state = workflow.seen["state"]
    names = set(flowers.WorkflowState.__dataclass_fields__) - {"forward_srcs", "forward_ciphertexts"}
    names.remove("aggregate_ndarrays")
    assert all(hasattr(state, name) for name in names)
    assert (state.num_shares, state.threshold, state.max_weight) == (3, 2, 500.0)
    assert (state.clipping_range, state.quantization_range, state.mod_range) == (8.0, 2**22, 2**32)
    assert set(state.nid_to_publickeys) == set(state.nid_to_neighbours) == set(workflow.nodes)
    assert all(len(key) == 32 for keys in state.nid_to_publickeys.values() for key in keys)
    assert len({key for keys in state.nid_to_publickeys.values() for key in keys}) == 18
    for node, neighbours in state.nid_to_neighbours.items():
        assert node in neighbours and all(node in state.nid_to_neighbours[other] for other in neighbours)
    assert len(state.legacy_results) == 9 and state.failures == []


def test_a_state_before_the_setup_is_that_of_flower():
    ours, theirs = WorkflowState(), flowers.WorkflowState()
    for name in set(flowers.WorkflowState.__dataclass_fields__) - {"forward_srcs", "forward_ciphertexts"}:
        assert getattr(ours, name) == getattr(theirs, name), name


@pytest.mark.parametrize("name", ["forward_srcs", "forward_ciphertexts"])
def test_names_that_cannot_be_had_say_why(name):
    with pytest.raises(AttributeError, match="handed on inside of the round"):
        getattr(WorkflowState(), name)


def reading(base, when):
    """A workflow that reads all of the state after each stage but the last, and the masked sum before that or after.

    Flower's own deletes some of the state as it goes on, which is then left alone.
    """

    class Reading(base):
        def setup_stage(self, grid, context, state):
            self.state = state
            return self.read(super().setup_stage(grid, context, state))

        def share_keys_stage(self, grid, context, state):
            return self.read(super().share_keys_stage(grid, context, state))

        def collect_masked_vectors_stage(self, grid, context, state):
            return self.read(super().collect_masked_vectors_stage(grid, context, state))

        def unmask_stage(self, grid, context, state):
            before = len(state.aggregate_ndarrays)
            goes_on = super().unmask_stage(grid, context, state)
            return goes_on and (before if when == "before" else len(state.aggregate_ndarrays)) > 0

        def read(self, goes_on):
            names = set(flowers.WorkflowState.__dataclass_fields__) - {"forward_srcs", "forward_ciphertexts"}
            for name in names if base is SecAggPlusWorkflow else ():
                getattr(self.state, name)
            return goes_on

    return Reading


@pytest.mark.parametrize("base", [SecAggPlusWorkflow, flowers.SecAggPlusWorkflow])
def test_the_masked_sum_is_gone_when_its_masks_are_as_in_flowers_own(base):
    mod = secaggplus_mod if base is SecAggPlusWorkflow else flowers_mod
    clients = lambda: Fleet([legacy_app(moved_by(0.5), [mod]) for _ in range(3)])  # noqa: E731
    run(reading(base, "before")(3, 2), clients())
    with pytest.raises(AttributeError, match="aggregate_ndarrays"):
        run(reading(base, "after")(3, 2), clients())


@pytest.mark.parametrize("stage", ["setup", "share_keys", "collect_masked_vectors", "unmask"])
def test_a_state_can_be_read_whatever_stage_has_ended_its_round(stage):
    workflow = reading(SecAggPlusWorkflow, "before")(3, 2)
    before = run(workflow, fleet(3, vanish=dict.fromkeys((101, 102, 103), stage)))
    np.testing.assert_array_equal(model(before)[0], 0)
    if stage == "unmask":
        with pytest.raises(AttributeError, match="as in Flower's own"):
            workflow.state.aggregate_ndarrays  # noqa: B018
    else:
        assert workflow.state.aggregate_ndarrays == []


@pytest.mark.parametrize("levels", [2**22, "auto"])
def test_the_state_of_a_round_of_too_few_nodes_can_be_read(levels):
    workflow = reading(SecAggPlusWorkflow, "before")(3, 2, quantization_range=levels)
    run(workflow, fleet(2))
    assert (workflow.state.num_shares, workflow.state.threshold, workflow.state.aggregate_ndarrays) == (0, 0, [])
    assert workflow.state.failures


# --- Metrics (F5) ------------------------------------------------------------------------------------


def weighted(metrics):
    return {"loss": sum(n * m["loss"] for n, m in metrics) / sum(n for n, _ in metrics)}


def test_a_metric_that_is_not_averaged_is_said_before_training_and_named_when_it_is_missing(caplog):
    said = []

    def train(arrays):
        said.append(caplog.text)
        return arrays, 10, {"loss": 0.75}

    with pytest.raises(KeyError, match=r'metrics=\{"loss": 10.0\}'):
        run(SecAggPlusWorkflow(3, 2), fleet(train=train), fit_metrics_aggregation_fn=weighted)
    assert 'fit_metrics_aggregation_fn is set' in said[0] and 'metrics={"loss": 10.0}' in said[0]


def test_a_metric_that_is_averaged_comes_to_the_apps_function_and_nothing_is_said(caplog):
    context = run(
        SecAggPlusWorkflow(3, 2, metrics={"loss": 10.0}), fleet(), fit_metrics_aggregation_fn=weighted
    )
    ((_, loss),) = context.history.metrics_distributed_fit["loss"]
    assert loss == pytest.approx(0.75, abs=1e-3)
    assert "dropped" not in caplog.text and "is set" not in caplog.text


def test_the_message_api_says_it_too(caplog):
    def loss_of(records, weighted_by):
        return MetricRecord({"loss": sum(record["metrics"]["loss"] for record in records)})

    clients = Fleet([message_app(moved_by(0.5, loss=0.75), [secagg_mod]) for _ in range(5)])
    with pytest.raises(KeyError, match=r'metrics=\{"loss": 10.0\}'):
        start(clients, strategy={"train_metrics_aggr_fn": loss_of})
    before = caplog.text.partition("dropped. To average")[0]
    assert "train_metrics_aggr_fn is set" in before
    start(clients, strategy={"train_metrics_aggr_fn": loss_of}, metrics={"loss": 10.0})


def test_a_function_that_needs_no_metrics_works_without():
    context = run(
        SecAggPlusWorkflow(3, 2), fleet(), fit_metrics_aggregation_fn=lambda metrics: {"clients": len(metrics)}
    )
    assert context.history.metrics_distributed_fit == {"clients": [(1, 5)]}


def test_dropped_metrics_are_named_once_in_a_run(caplog):
    clients = fleet(train=moved_by(0.5, loss=0.75, accuracy=0.5, kept=1.0))
    run(SecAggPlusWorkflow(3, 2, metrics={"kept": 1.0}), clients, rounds=3)
    lines = [r for r in caplog.records if "'loss', 'accuracy' dropped" in r.getMessage()]
    assert len(lines) == 5 and all(r.levelno == logging.WARNING for r in lines)
    assert 'metrics={"loss": 10.0, "accuracy": 10.0}' in lines[0].getMessage()


# --- Weights (F8) ------------------------------------------------------------------------------------


def test_weights_that_the_modulus_has_room_for_are_taken_and_a_warning_says_so(caplog):
    clients = [legacy_app(moved_by(step, 5000), [secaggplus_mod]) for step in (0.0, 1.0, 2.0, 3.0)]
    context = run(SecAggPlusWorkflow(1.0, 0.6, max_weight=1000), Fleet(clients))
    np.testing.assert_allclose(model(context)[0], 1.5, atol=1e-5)
    assert "above max_weight=1000" in caplog.text and "max_weight=8192" in caplog.text


def test_the_room_is_for_levels_four_times_as_fine_and_for_weights():
    narrow = SecAggPlusWorkflow(1.0, 0.6, modulus_range=2**24).settings.params(4, 10)
    wide = SecAggPlusWorkflow(1.0, 0.6).settings.params(4, 10)
    assert wide.max_weight == 64 * narrow.max_weight == 64_000
    assert 4 * wide.error_bound(4, 40) == pytest.approx(narrow.error_bound(4, 40), rel=1e-6)


def test_a_client_without_room_is_left_out_and_tells_no_more_than_a_power_of_two(caplog):
    clients = fleet(weights=[10, 10, 10, 10, 123_456_789])
    context = run(SecAggPlusWorkflow(1.0, 0.6), clients)
    np.testing.assert_allclose(model(context)[0], 0.5, atol=5e-4)
    reasons = [reply.error.reason for _, _, reply in clients.received if reply.has_error()]
    assert len(reasons) == 1 and "max_weight=134217728" in reasons[0] and "123456789" not in reasons[0]


@pytest.mark.parametrize("weights", [[9_000_000] * 4, [9_000_000, 300_000, 4e8, 1e6]])
def test_where_nobodys_weight_fits_the_run_ends_with_the_number_that_would(weights):
    largest = 2.0 ** np.ceil(np.log2(max(weights)))
    with pytest.raises(secagg.Misuse, match=f"max_weight={largest:.17g}$"):
        run(SecAggPlusWorkflow(1.0, 0.6), fleet(weights=[int(weight) for weight in weights]), rounds=3)


def start(clients, rounds=1, strategy=None, **settings):
    """A run of the Message API; gives its arrays."""
    nodes = len(clients.apps)
    strategy = message_api.FedAvg(
        fraction_evaluate=0.0, min_train_nodes=nodes, min_available_nodes=nodes, **(strategy or {})
    )
    initial = ArrayRecord([np.zeros(4, np.float32)])
    grid = SecAggGrid(clients, 0.6, **settings)
    return strategy.start(grid=grid, initial_arrays=initial, num_rounds=rounds).arrays.to_numpy_ndarrays()


def messengers(*weights):
    return Fleet([message_app(moved_by(0.5, weight), [secagg_mod]) for weight in weights])


@pytest.mark.parametrize("levels", [2**22, "auto"])
def test_the_message_api_takes_them_too(levels, caplog):
    (found,) = start(messengers(5000, 5000, 20_000, 10), quantization_range=levels)
    np.testing.assert_allclose(found, 0.5, atol=1e-5)
    assert "above max_weight=1000" in caplog.text


def test_the_message_api_says_the_number_too():
    with pytest.raises(secagg.Misuse, match="max_weight=67108864$"):
        start(messengers(5e7, 6e7, 4e7))


# --- Runs of which no round worked -------------------------------------------------------------------


def test_a_run_without_a_mean_ends_with_an_error_after_its_last_round():
    gone = dict.fromkeys((101, 102, 103), "share_keys")
    clients = fleet(vanish=gone)
    with pytest.raises(RoundFailed, match="no round of the run had a mean.*setup"):
        run(SecAggPlusWorkflow(1.0, 0.6), clients, rounds=3)
    assert len([1 for stage, node, _ in clients.sent if (stage, node) == ("setup", 104)]) == 3


def test_a_run_of_the_message_api_too():
    clients = messengers(*[10] * 5)
    clients.vanish = dict.fromkeys((101, 102, 103), "share_keys")
    with pytest.raises(RoundFailed, match="no round of the run had a mean"):
        start(clients, rounds=3)
    assert len([1 for stage, node, _ in clients.sent if (stage, node) == ("setup", 104)]) == 3


def test_a_run_of_the_message_api_with_one_mean_ends_well():
    clients = messengers(*[10] * 5)
    clients.vanish = dict.fromkeys((101, 102, 103), "unmask")
    answer = clients._answer

    def come_back(message):
        if stage_of(message) == "setup" and len(clients.gone) == 3:
            clients.gone.clear(), clients.vanish.clear()
        return answer(message)

    clients._answer = come_back
    (found,) = start(clients, rounds=2)
    np.testing.assert_allclose(found, 0.5, atol=5e-4)


@pytest.mark.parametrize("good_round", [1, 2, 3])
def test_a_run_with_one_mean_ends_well(good_round):
    gone = dict.fromkeys((101, 102, 103), "share_keys")
    clients = fleet()

    class Once(SecAggPlusWorkflow):
        def __call__(self, grid, context):
            grid.gone.clear()
            is_good = context.state.config_records["config"]["current_round"] == good_round
            grid.vanish = {} if is_good else dict(gone)
            super().__call__(grid, context)

    context = run(Once(1.0, 0.6), clients, rounds=3)
    np.testing.assert_allclose(model(context)[0], 0.5, atol=5e-4)


# --- Failures (F16) ----------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", STAGES[:3])
def test_silent_nodes_are_among_the_failures_and_in_the_log(stage, caplog):
    class Noting(FedAvg):
        def aggregate_fit(self, server_round, results, failures):
            self.failures = failures
            return super().aggregate_fit(server_round, results, failures)

    clients = fleet(6, vanish={102: stage}, silent=True)
    context = run(SecAggWorkflow(2, timeout=0.5), clients, strategy=Noting)
    assert len(context.strategy.failures) == 1
    assert "102" in caplog.text and len([r for r in caplog.records if "node 102" in r.getMessage()]) == 1


def test_numbers_of_numpy_are_numbers():
    SecAggPlusWorkflow(
        np.int64(3), np.int32(2), max_weight=np.float32(100), clipping_range=np.int64(8),
        quantization_range=np.int64(2**22), modulus_range=np.uint64(2**32), timeout=np.float64(1.5),
    )  # fmt: skip
    SecAggPlusWorkflow(np.float32(0.5), np.float64(0.5))


# --- Shares (F12) ------------------------------------------------------------------------------------


def survived(workflow, mod, nodes, gone):
    """Whether a round has a mean, in which some nodes vanish while they train."""
    clients = Fleet(
        [legacy_app(moved_by(2), [mod]) for _ in range(nodes)],
        vanish=dict.fromkeys(gone, "collect_masked_vectors"),
    )
    return model(run(workflow, clients))[1][0] > 1


def rate(workflow, mod, nodes, lost, rounds=15):
    rng = np.random.default_rng(5)
    gone = [101 + rng.choice(nodes, lost, replace=False) for _ in range(rounds)]
    return sum(survived(workflow, mod, nodes, some.tolist()) for some in gone) / rounds


@pytest.mark.parametrize(
    ("num_shares", "threshold", "nodes", "lost", "flowers_rate"),
    [
        (5, 3, 20, 6, 0.12), (4, 3, 20, 6, 0.12), (0.25, 0.6, 20, 6, 0.12), (5, 3, 20, 2, 1.0),
        (3, 2, 5, 1, 1.0),
    ],
)  # fmt: skip
def test_no_fewer_rounds_survive_than_with_flowers_own(num_shares, threshold, nodes, lost, flowers_rate):
    """Flower's rates are of 3,000 random graphs each. Ours is 0.52 where Flower's is 0.12."""
    assert rate(SecAggPlusWorkflow(num_shares, threshold), secaggplus_mod, nodes, lost) >= flowers_rate


def test_flowers_numbers_are_counted_as_flower_counts_them():
    def of(num_shares, threshold, nodes):
        params = SecAggPlusWorkflow(num_shares, threshold).settings.params(nodes, 1)
        return params.degree, params.threshold

    assert of(5, 3, 20) == (6, 3)
    assert of(4, 3, 20) == (6, 3), "Flower makes even numbers odd"
    assert of(0.25, 0.6, 20) == (6, 3)
    assert of(3, 2, 5) == (4, 2), "the complete graph"
    assert of(1.0, 0.6, 5) == (4, 3)
    assert of(1, 1, 5) == (4, 4), "all others"


def test_a_modulus_of_too_many_bits_is_refused_in_words():
    with pytest.raises(secagg.Misuse, match="modulus"):
        run(SecAggPlusWorkflow(3, 2, modulus_range=2**100), fleet())
