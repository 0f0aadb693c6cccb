"""Clients that mask one vector for the same model of a run, whatever round asks."""

import logging

import numpy as np
import pytest
from fleet import RUN, Fleet, context_of, legacy_app, legacy_context, message_app, moved_by
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, RecordDict
from flwr.common import ndarrays_to_parameters
from flwr.server import strategy as legacy
from flwr.server.workflow import DefaultWorkflow
from flwr.serverapp.strategy import FedAvg
from secagg.flower import SecAggGrid, SecAggMod, SecAggPlusWorkflow

NODES = 5
ONCE = SecAggMod(once_per_model=True)
WHY = "masked a vector of training this model in run 7 before"
WHAT_TO_DO = "Send a new version of the model"
STATE = "secagg.state"


class Trained:
    """A training that counts how often it ran."""

    def __init__(self):
        self.times = 0

    def __call__(self, arrays):
        self.times += 1
        return moved_by(0.25, loss=1.0)(arrays)


def fleet(*mods, nodes=NODES, **more):
    trainings = [Trained() for _ in range(nodes)]
    clients = Fleet([message_app(training, list(mods or [ONCE])) for training in trainings], **more)
    clients.trainings = trainings
    return clients


def times(clients):
    return [training.times for training in clients.trainings]


def run(clients, value=0.0, round=1, kind="train", nodes=None, **settings):
    """Asks about a model whose elements have this value; gives the grid, and how many nodes have the mean for a reply."""
    model = ArrayRecord({"w": Array(np.full(9, value, np.float32))})
    content = RecordDict({"arrays": model, "config": ConfigRecord({"server-round": round})})
    grid = SecAggGrid(clients, 2, **settings)
    replies = grid.send_and_receive([Message(content, node, kind) for node in nodes or clients.apps])
    return grid, sum(reply.has_content() for reply in replies)


def entries(clients, node=101):
    return clients.contexts[node].state[STATE].get("masked", [])


def test_a_second_round_about_the_same_model_is_refused_before_anyone_trains(caplog):
    clients = fleet()
    assert run(clients)[1] == NODES
    for round, nodes in [(2, None), (1, None), (3, [101, 102, 103, 104])]:
        grid, means = run(clients, round=round, nodes=nodes)
        assert means == 0 and times(clients) == [1] * NODES
        assert WHY in (reason := grid.last_round.failures[101]) and WHAT_TO_DO in reason
        assert reason.startswith("Misuse") and "once_per_model=False" in reason
    assert WHY in caplog.text
    assert [stage for stage, node, _ in clients.sent if node == 101].count("collect_masked_vectors") == 1


def test_a_new_model_is_another_one():
    clients = fleet()
    for round, value in enumerate([0.0, 0.5, 1.0], 1):
        assert run(clients, value, round)[1] == NODES
    assert times(clients) == [3] * NODES
    assert [len(entry) for entry in entries(clients)] == [32, 32, 32]
    assert run(clients, 0.5, 4)[1] == 0, "not the last model alone"


def test_without_it_a_round_may_be_repeated():
    clients = fleet(SecAggMod())
    assert [run(clients, round=round)[1] for round in (1, 2)] == [NODES, NODES]
    assert entries(clients) == []


def test_another_run_is_free(monkeypatch):
    """Though the node may keep its state from run to run."""
    clients = fleet()
    run(clients)
    monkeypatch.setattr("fleet.RUN", RUN + 1)
    clients.contexts = {node: context_of(node, state=it.state) for node, it in clients.contexts.items()}
    assert run(clients)[1] == NODES
    assert len(entries(clients)) == 2 and run(clients)[1] == 0


def test_a_round_that_failed_before_this_client_masked_may_be_repeated():
    clients = fleet(vanish=dict.fromkeys([102, 103, 104, 105], "collect_masked_vectors"))
    clients.vanish[101] = "collect_masked_vectors"
    assert run(clients)[1] == 0
    clients.vanish.clear(), clients.gone.clear()
    assert run(clients)[1] == NODES


def test_a_round_that_failed_after_it_is_not_repeated():
    """The server says that it failed; the client cannot know."""
    clients = fleet(vanish=dict.fromkeys([102, 103, 104, 105], "unmask"))
    assert run(clients)[1] == 0
    clients.vanish.clear(), clients.gone.clear()
    grid, means = run(clients, round=2)
    assert means == 0 and WHY in grid.last_round.failures[101]
    assert run(clients, 0.5, 3)[1] == NODES


def test_an_update_that_could_not_be_masked_is_not_counted():
    clients = fleet()
    clients.apps[101] = message_app(moved_by(float("nan")), [ONCE])
    assert run(clients)[1] == NODES - 1
    assert not entries(clients) and len(entries(clients, 102)) == 1
    clients.apps[101] = message_app(moved_by(0.25), [ONCE])
    clients.contexts = {101: clients.contexts[101], **{node: context_of(node) for node in list(clients.apps)[1:]}}
    assert run(clients)[1] == NODES


def test_asked_again_in_its_session_a_client_goes_on():
    """A repeated request is a lost answer and no second vector, and the round has its mean."""
    asked = []

    def ask_again(node, stage, reply):
        if node == 101 and stage == "collect_masked_vectors":
            for stage_again in ("collect_masked_vectors", "setup"):
                sent = next(message for stage, node, message in clients.sent if (stage, node) == (stage_again, 101))
                asked.append(clients.apps[101](sent, clients.contexts[101]).error.reason)
        return reply

    clients = fleet(tamper=ask_again)
    assert run(clients)[1] == NODES
    assert [reason.partition(":")[0] for reason in asked] == ["Stale", "Stale"]
    assert times(clients)[0] == 1


def test_a_client_whose_context_was_lost_with_its_answer_gives_the_same_vector():
    """As if its process had ended before Flower kept the context."""
    vectors = []

    def lose(node, stage, reply):
        if node == 101 and stage == "share_keys":
            before.append(clients.contexts[101])
        if node == 101 and stage == "collect_masked_vectors":
            sent = [message for stage, node, message in clients.sent if (stage, node) == ("collect_masked_vectors", 101)]
            vectors.extend([reply.content["secagg"]["message"]])
            again = clients.apps[101](sent[0], before[0])
            vectors.extend([again.content["secagg"]["message"]])
        return reply

    before = []
    clients = fleet(tamper=lose)
    assert run(clients)[1] == NODES
    assert vectors[0] == vectors[1] and times(clients)[0] == 2


def test_models_that_no_terms_name_are_told_by_what_arrives():
    clients = fleet(SecAggMod(once_per_model=True, same_model=False))
    assert run(clients, same_model=False)[1] == NODES
    grid, means = run(clients, round=2, same_model=False)
    assert means == 0 and WHY in grid.last_round.failures[101] and times(clients) == [1] * NODES
    grid, means = run(clients, round=3)
    assert means == 0 and WHY in grid.last_round.failures[101]
    assert run(clients, 0.5, 4, same_model=False)[1] == NODES


def test_training_and_evaluation_count_apart():
    """A strategy evaluates the model that the next round trains."""
    metrics = {"evaluate_metrics": {"loss": 2.0}, "metrics": {"loss": 2.0}}
    clients = fleet()
    assert run(clients, kind="evaluate", **metrics)[1] == NODES
    assert run(clients, round=2, **metrics)[1] == NODES
    grid, means = run(clients, kind="evaluate", **metrics)
    assert means == 0 and "of evaluating this model" in grid.last_round.failures[101]
    assert run(clients, **metrics)[1] == 0


@pytest.mark.parametrize("lasting", [SecAggMod(once_per_model=True), SecAggMod()])
def test_other_rounds_keep_the_entries(lasting):
    clients = fleet()
    run(clients)
    first = entries(clients)
    once, other = clients.apps, fleet(lasting).apps
    clients.apps = other
    assert run(clients, 0.5)[1] == NODES
    clients.apps = once
    assert entries(clients)[:1] == first and run(clients)[1] == 0


def test_a_strategy_trains_and_evaluates_round_by_round():
    clients = fleet()
    strategy = FedAvg(min_train_nodes=NODES, min_evaluate_nodes=NODES, min_available_nodes=NODES)
    initial = ArrayRecord({"w": Array(np.zeros(9, np.float32))})
    grid = SecAggGrid(clients, 2, metrics={"loss": 2.0}, evaluate_metrics={"loss": 2.0})
    result = strategy.start(grid=grid, initial_arrays=initial, num_rounds=3, timeout=60)
    np.testing.assert_allclose(result.arrays["w"].numpy(), 0.75, atol=1e-3)
    assert len(entries(clients)) == 6


def test_in_the_legacy_api_too(caplog):
    clients = Fleet([legacy_app(moved_by(0.0), [ONCE]) for _ in range(NODES)])
    strategy = legacy.FedAvg(
        initial_parameters=ndarrays_to_parameters([np.zeros(9, np.float32)]), min_fit_clients=NODES,
        min_available_clients=NODES, fraction_evaluate=0.0,
    )  # fmt: skip
    workflow = SecAggPlusWorkflow(num_shares=1.0, reconstruction_threshold=3)
    with caplog.at_level(logging.WARNING, logger="flwr"):
        DefaultWorkflow(fit_workflow=workflow)(clients, legacy_context(strategy, 2))
    assert [app.client.trained for app in clients.apps.values()] == [1] * NODES
    assert WHY in caplog.text


def test_entries_that_were_altered_are_an_error():
    clients = fleet()
    clients.contexts[101].state[STATE] = ConfigRecord({"masked": "none"})
    grid, means = run(clients)
    assert means == NODES - 1 and "the client's state was altered" in grid.last_round.failures[101]
