"""Weights that fit no round: what is a failed round, what ends the run, and which number is advised."""

import numpy as np
import pytest
from fleet import Fleet, legacy_app, legacy_context, message_app, moved_by
from flwr.app import Array, ArrayRecord, Error, Message, RecordDict
from flwr.common import ndarrays_to_parameters
from flwr.server.strategy import FedAvg as LegacyFedAvg
from flwr.server.workflow import DefaultWorkflow
from flwr.serverapp.strategy import FedAvg
from secagg import Misuse
from secagg.flower import SecAggGrid, SecAggMod, SecAggPlusWorkflow, secagg_mod, secaggplus_mod
from secagg.flower.errors import TooHeavy, power_of_two_above

ERROR = 1e-3
HEAVY = 10**6
SAMPLES = {1: (101, 102, 103), 2: (104, 105, 106), 3: (101, 102, 103)}
"""Which nodes each round samples; those of the second are heavy."""

TRAININGS = [moved_by(1, 100)] * 3 + [moved_by(1, HEAVY)] * 3


class Sampled(FedAvg):
    def configure_train(self, server_round, arrays, config, grid):
        return self._construct_messages(RecordDict({"arrays": arrays, "config": config}), SAMPLES[server_round], "train")


class LegacySampled(LegacyFedAvg):
    def configure_fit(self, server_round, parameters, client_manager):
        chosen = super().configure_fit(server_round, parameters, client_manager)
        return [(proxy, fitins) for proxy, fitins in chosen if proxy.node_id in SAMPLES[server_round]]


def start(clients, how=FedAvg, rounds=1, evaluate=0.0, **settings):
    nodes = len(clients.apps)
    chosen = how(fraction_evaluate=evaluate, min_train_nodes=nodes, min_available_nodes=nodes)
    grid, model = SecAggGrid(clients, **settings), ArrayRecord({"w": Array(np.zeros(4, np.float32))})
    return chosen.start(grid=grid, initial_arrays=model, num_rounds=rounds), grid


def start_legacy(trainings, how, rounds):
    clients = Fleet([legacy_app(train, [secaggplus_mod]) for train in trainings])
    model = ndarrays_to_parameters([np.zeros(4, np.float32)])
    chosen = how(initial_parameters=model, min_fit_clients=len(trainings), fraction_evaluate=0.0)
    context = legacy_context(chosen, rounds)
    DefaultWorkflow(fit_workflow=SecAggPlusWorkflow(1.0, 0.6))(clients, context)
    return context.state.array_records["parameters"].to_numpy_ndarrays()[0]


def fleet(trainings, **more):
    return Fleet([message_app(train, [secagg_mod]) for train in trainings], **more)


def test_a_round_of_heavy_nodes_alone_is_a_failed_round():
    result, grid = start(fleet(TRAININGS), Sampled, 3)
    np.testing.assert_allclose(result.arrays["w"].numpy(), 2, atol=ERROR)
    errors = [report.error for report in grid.rounds]
    assert errors[0] is errors[2] is None and "say max_weight=1048576" in errors[1]


def test_a_legacy_round_of_heavy_nodes_alone_is_a_failed_round():
    np.testing.assert_allclose(start_legacy(TRAININGS, LegacySampled, 3), 2, atol=ERROR)


def test_an_evaluation_of_heavy_nodes_leaves_the_trained_model():
    def train(arrays, weights=iter([100] * 3 + [HEAVY] * 3)):
        return {name: array + 1 for name, array in arrays.items()}, next(weights), {"accuracy": 0.5}

    result, grid = start(fleet([train] * 3), evaluate=1.0, evaluate_metrics={"accuracy": 1.0})
    np.testing.assert_allclose(result.arrays["w"].numpy(), 1, atol=ERROR)
    assert "say max_weight=1048576" in grid.rounds[1].error


def test_a_run_whose_first_round_has_heavy_nodes_alone_ends_with_the_number():
    with pytest.raises(Misuse, match="say max_weight=1048576"):
        start(fleet([moved_by(1, HEAVY)] * 3), rounds=3)
    with pytest.raises(Misuse, match="say max_weight=1048576"):
        start_legacy([moved_by(1, HEAVY)] * 3, LegacyFedAvg, 3)


@pytest.mark.parametrize("number", ["1.2.3", "1e+", "1e999", "8", ".", "8e3"])
@pytest.mark.parametrize("stage", ["setup", "collect_masked_vectors"])
def test_a_number_that_is_none_or_not_needed_is_an_error_like_any_other(number, stage):
    def say(node, at, reply):
        if at != stage:
            return reply
        error = Message(Error(code=2, reason=f"TooHeavy: x max_weight={number}"), reply_to=reply)
        for name in ("_src_node_id", "_reply_to_message_id", "_message_id"):
            error.metadata.__dict__[name] = getattr(reply.metadata, name[1:])
        return error

    _, grid = start(fleet([moved_by(1)] * 3, tamper=say))
    assert set(grid.last_round.failures) == {101, 102, 103}
    assert f"max_weight={number}" in grid.rounds[0].error and "no client" not in grid.rounds[0].error


def test_a_weight_that_no_round_takes_has_a_reason_and_no_number():
    clients = fleet([moved_by(1, weight) for weight in (10, 10, 10, 1.7e308)])
    _, grid = start(clients, reconstruction_threshold=2)
    assert "weight updates by smaller numbers" in grid.last_round.failures[104]
    assert TooHeavy.needed(grid.last_round.failures[104], 1000.0) is None


def test_the_advised_power_of_two_is_the_least_that_is_no_less():
    for weight, power in [(1, 1), (3, 4), (2**53 + 2, 2**54), (2.0**1023, 2.0**1023), (1.7e308, np.inf), (0.3, 0.5), (5e-324, 5e-324)]:
        assert power_of_two_above(weight) == power


@pytest.mark.parametrize("weight", [0.0, 1e-9])
def test_weights_that_make_no_sum_are_told_below_what_they_are_lost(weight):
    _, grid = start(fleet([moved_by(1, weight)] * 3))
    assert "far below max_weight=1000, beside which weights below" in grid.rounds[0].error
    assert "lower max_weight to the largest weight that a client has" in grid.rounds[0].error


@pytest.mark.parametrize("modulus_range", [2**12, 2**16, 2**32])
@pytest.mark.parametrize("max_weight", [1000, 7.3])
def test_weights_of_just_max_weight_are_not_said_to_be_above_it(max_weight, modulus_range, caplog):
    for levels in (7, 100, 256):
        start(
            fleet([moved_by(1, max_weight)] * 5),
            quantization_range=levels, modulus_range=modulus_range, max_weight=max_weight,
        )  # fmt: skip
    assert "weights are" not in caplog.text


# --- Weights that are known before training ----------------------------------------------------------


class Counted:
    """A training that counts its calls, of a client that knows its weight before."""

    def __init__(self, weight, known=None):
        self.weight, self.calls, self.contexts = weight, 0, []
        self.known = weight if known is None else known

    def __call__(self, arrays):
        self.calls += 1
        return moved_by(1, self.weight)(arrays)

    def of_context(self, context):
        self.contexts.append(context)
        return self.known

    @property
    def mod(self):
        return SecAggMod(weight=self.of_context)


def of_messages(trainings):
    clients = Fleet([message_app(train, [train.mod]) for train in trainings])
    return start(clients, reconstruction_threshold=2)


def of_legacy(trainings):
    clients = Fleet([legacy_app(train, [train.mod]) for train in trainings])
    model = ndarrays_to_parameters([np.zeros(4, np.float32)])
    chosen = LegacyFedAvg(initial_parameters=model, min_fit_clients=len(trainings), fraction_evaluate=0.0)
    context = legacy_context(chosen, 1)
    DefaultWorkflow(fit_workflow=SecAggPlusWorkflow(1.0, 2))(clients, context)
    return context.state.array_records["parameters"].to_numpy_ndarrays()[0]


@pytest.mark.parametrize("run", [of_messages, of_legacy])
def test_where_no_known_weight_fits_the_run_ends_before_anyone_trains(run):
    trainings = [Counted(HEAVY * times) for times in (1, 3, 2)]
    with pytest.raises(Misuse, match="say max_weight=4194304$"):
        run(trainings)
    assert [train.calls for train in trainings] == [0, 0, 0]


@pytest.mark.parametrize("run", [of_messages, of_legacy])
def test_a_client_whose_known_weight_does_not_fit_does_not_train(run):
    trainings = [*(Counted(10) for _ in range(3)), Counted(HEAVY)]
    found = run(trainings)
    assert [train.calls for train in trainings] == [1, 1, 1, 0]
    mean = found if run is of_legacy else found[0].arrays["w"].numpy()
    np.testing.assert_allclose(mean, 1, atol=ERROR)


def test_the_weight_is_asked_for_once_a_round_with_the_clients_context():
    trainings = [Counted(10) for _ in range(3)]
    of_messages(trainings)
    assert [[context.node_id for context in train.contexts] for train in trainings] == [[101], [102], [103]]


def test_what_a_client_replies_is_its_weight_whatever_it_knew():
    trainings = [Counted(10, known=1), Counted(10, known=30), Counted(10), Counted(HEAVY, known=10)]
    result, grid = of_messages(trainings)
    np.testing.assert_allclose(result.arrays["w"].numpy(), 1, atol=ERROR)
    assert set(grid.last_round.failures) == {104} and "max_weight=1048576" in grid.last_round.failures[104]


@pytest.mark.parametrize("known", ["10", True, float("nan"), -1])
def test_a_known_weight_that_is_none_is_an_error_of_its_client(known):
    trainings = [*(Counted(10) for _ in range(3)), Counted(10, known=known)]
    _, grid = of_messages(trainings)
    assert "BadReply: the weight of the update" in grid.last_round.failures[104]
    assert trainings[3].calls == 0


def test_uniform_weights_and_rounds_of_metrics_ask_for_none():
    trainings = [Counted(HEAVY) for _ in range(3)]
    clients = Fleet([message_app(train, [train.mod]) for train in trainings])
    start(clients, reconstruction_threshold=2, uniform_weights=True, evaluate=1.0, evaluate_metrics={"loss": 1.0})
    assert not any(train.contexts for train in trainings)
