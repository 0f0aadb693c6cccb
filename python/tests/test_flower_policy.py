"""What a client of Flower's asks of a round, whatever the server proposes."""

import logging

import numpy as np
import pytest
from fleet import RUN, Fleet, context_of, legacy_app, legacy_context, message_app, moved_by
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, RecordDict
from flwr.common import ndarrays_to_parameters
from flwr.server import strategy as legacy
from flwr.server.workflow import DefaultWorkflow
from flwr.serverapp.strategy import FedAvg
from secagg import Assumptions, Client, Misuse, Policy, Server, new_session_id
from secagg.flower import SecAggGrid, SecAggMod, SecAggPlusWorkflow, secagg_mod, secaggplus_mod
from secagg.flower.settings import Settings
from secagg.flower.terms import Terms

NODES = 6
FLOORS = "this client has no policy"


def fleet(*mods, nodes=NODES):
    return Fleet([message_app(moved_by(0.25), list(mods or [secagg_mod])) for _ in range(nodes)])


def model():
    return ArrayRecord({"w": Array(np.zeros(9, np.float32))})


def run(clients, threshold=3, config=None, **settings):
    """Runs a round; gives the grid, and how many nodes have the mean for a reply."""
    content = RecordDict({"arrays": model(), "config": ConfigRecord(config or {})})
    grid = SecAggGrid(clients, threshold, **settings)
    replies = grid.send_and_receive([Message(content, node, "train") for node in clients.apps])
    return grid, sum(reply.has_content() for reply in replies)


def strategy_of(rounds, clients, **settings):
    strategy = FedAvg(fraction_evaluate=0.0, min_train_nodes=NODES, min_available_nodes=NODES)
    grid = SecAggGrid(clients, 3, **settings)
    return strategy.start(grid=grid, initial_arrays=model(), num_rounds=rounds, timeout=60)


def legacy_run(clients, rounds):
    strategy = legacy.FedAvg(
        initial_parameters=ndarrays_to_parameters([np.zeros(9, np.float32)]), min_fit_clients=NODES,
        min_available_clients=NODES, fraction_evaluate=0.0,
    )  # fmt: skip
    workflow = SecAggPlusWorkflow(num_shares=1.0, reconstruction_threshold=3)
    DefaultWorkflow(fit_workflow=workflow)(clients, legacy_context(strategy, rounds))


def terms_of(clients):
    """The terms of each round, as the first client was sent them."""
    records = [message.content["secagg"] for stage, node, message in clients.sent if (stage, node) == ("setup", 101)]
    return [Terms.decode(record["terms"]) for record in records]


# --- Policies ----------------------------------------------------------------------------------------


def test_a_client_without_a_policy_names_its_floors_once_in_a_run(caplog):
    clients = fleet()
    with caplog.at_level(logging.INFO, logger="flwr"):
        strategy_of(2, clients)
    lines = [entry for entry in caplog.records if FLOORS in entry.getMessage()]
    assert len(lines) == NODES and {entry.levelname for entry in lines} == {"INFO"}
    text = lines[0].getMessage()
    assert "fewer than 3 clients" in text and "below 2 shares" in text and "Policy.assuming" in text
    clients.contexts = {node: context_of(node) for node in clients.apps}  # Another run.
    with caplog.at_level(logging.INFO, logger="flwr"):
        run(clients)
    assert caplog.text.count(FLOORS) == 2 * NODES


@pytest.mark.parametrize("mod", [secagg_mod, secaggplus_mod, SecAggMod()])
def test_every_mod_without_a_policy_says_so(mod, caplog):
    with caplog.at_level(logging.INFO, logger="flwr"):
        assert run(fleet(mod))[1] == NODES
    assert caplog.text.count(FLOORS) == NODES


def test_a_policy_by_assumptions_takes_part_in_rounds_that_meet_it(caplog):
    mod = SecAggMod(policy=Policy.assuming(Assumptions(NODES, corrupted=0.34, dropout=0.34)))
    with caplog.at_level(logging.INFO, logger="flwr"):
        assert run(fleet(mod))[1] == NODES
    assert FLOORS not in caplog.text


def test_a_policy_by_assumptions_refuses_other_rounds_with_the_inequality():
    assuming = SecAggMod(policy=Policy.assuming(Assumptions(NODES, corrupted=0.5, dropout=0.0)))
    grid, means = run(fleet(assuming))
    assert means == 0
    reasons = str(grid.last_round.failures)
    assert "a threshold of 3 shares among 5 neighbours, of which 3 may collude, is too low: ask for 4" in reasons
    grid, means = run(fleet(assuming, nodes=5))
    assert means == 0 and "a cohort of 5 clients is below" in str(grid.last_round.failures)


@pytest.mark.parametrize("nodes", range(100, 110))
def test_a_fraction_of_any_cohort_meets_assumptions(nodes):
    """The planner, and so a client with assumptions, knows even numbers of neighbours alone."""
    params = Settings(0.5, 0.6).params(nodes, 9)
    assert params.degree % 2 == 0 and nodes / 2 <= params.degree < nodes / 2 + 2
    server = Server(params, new_session_id(), range(nodes))
    policy = Policy.assuming(Assumptions(100, corrupted=0.2, dropout=0.1, rounds=50))
    assert Client(0, policy=policy).answer(server.requests[0])


@pytest.mark.parametrize(
    "policy",
    [Policy(threat_model="active"), Policy.assuming(Assumptions(9, threat_model="active"))],
)
def test_a_policy_that_no_round_meets_is_refused_at_once(policy):
    with pytest.raises(Misuse, match='threat_model="curious"'):
        SecAggMod(policy=policy)


# --- Run and round -----------------------------------------------------------------------------------


def test_terms_name_run_and_round():
    clients = fleet()
    strategy_of(3, clients)
    assert [(terms.run_id, terms.round) for terms in terms_of(clients)] == [(RUN, 1), (RUN, 2), (RUN, 3)]


def test_terms_of_the_legacy_api_name_run_and_round():
    clients = Fleet([legacy_app(moved_by(0.25), [secaggplus_mod]) for _ in range(NODES)])
    legacy_run(clients, 2)
    assert [(terms.run_id, terms.round) for terms in terms_of(clients)] == [(RUN, 1), (RUN, 2)]


def test_rounds_without_a_number_are_counted():
    clients = fleet()
    content = RecordDict({"arrays": model()})
    grid = SecAggGrid(clients, 3)
    for _ in range(2):
        replies = grid.send_and_receive([Message(content, node, "train") for node in clients.apps])
        assert all(reply.has_content() for reply in replies)
    assert [terms.round for terms in terms_of(clients)] == [1, 2]


@pytest.mark.parametrize("number", [0, 41])
def test_the_number_that_clients_are_sent_is_the_one_of_the_terms(number):
    clients = fleet()
    assert run(clients, config={"server-round": number})[1] == NODES
    assert terms_of(clients)[0].round == number


def test_a_client_of_another_run_refuses():
    clients = fleet()
    clients.contexts[103] = context_of(103, run_id=RUN + 1)
    grid, means = run(clients)
    assert means == NODES - 1
    assert f"for run {RUN}, and this client is in run {RUN + 1}" in grid.last_round.failures[103]


def test_a_client_whose_message_names_another_round_does_not_train():
    def told_otherwise(message, context, call_next):
        if context.node_id == 103 and "config" in message.content:
            message.content["config"]["server-round"] = 2
        return call_next(message, context)

    clients = fleet(told_otherwise, secagg_mod)
    grid, means = run(clients, config={"server-round": 1})
    assert means == NODES - 1
    assert "for round 1, and its message is for round 2" in grid.last_round.failures[103]
