"""Advice where a mean is imprecise: it is followed in another round, which then needs none."""

import logging
import re

import numpy as np
import pytest
from fleet import Fleet, act_as_server, legacy_app, legacy_context, message_app
from flwr.app import Array, ArrayRecord, Message, RecordDict
from flwr.common import ndarrays_to_parameters
from flwr.server.strategy import FedAvg
from flwr.server.workflow import DefaultWorkflow
from secagg import Imprecise
from secagg.flower import SecAggGrid, SecAggWorkflow, secagg_mod
from secagg.flower.precision import advice
from secagg.flower.settings import Settings

NODES = 4


def ask(caplog, value, **settings):
    """One round of clients of weight 1000; gives the grid and its warning, or nothing for a warning."""

    def train(arrays):
        return {name: np.full_like(array, value) for name, array in arrays.items()}, 1000, {}

    grid = SecAggGrid(Fleet([message_app(train, [secagg_mod]) for _ in range(NODES)]), **{"reconstruction_threshold": 2, **settings})
    arrays = {"w": np.zeros(3, np.float32), "v": np.zeros(3, np.float32)}
    content = {"arrays": ArrayRecord({name: Array(array) for name, array in arrays.items()})}
    caplog.clear()
    with caplog.at_level(logging.WARNING, logger="flwr"):
        list(grid.send_and_receive([Message(RecordDict(content), 101 + node, "train") for node in range(NODES)]))
    lines = [it.getMessage() for it in caplog.records]
    return grid, next((line for line in lines if "may be off by" in line), "")


def test_a_lower_clipping_range_is_advised_and_does(caplog):
    """Half of it, since the mean by which it is chosen has an error of its own, half of that mean at most."""
    grid, warning = ask(caplog, 2e-6)
    found = re.search(r"lower clipping_range to (\S+) if no element is beyond that", warning)
    assert "all elements are small" in warning and found
    lower, enough = float(found[1]), 8.0 * 0.1 * 2e-6 / grid.last_round.error_bound
    assert enough / 4 < lower < 2 * enough
    grid, warning = ask(caplog, 2e-6, clipping_range=lower / 2)
    assert warning == "" and grid.last_round.clipped == 0


def test_of_several_ranges_each_is_advised_to_be_lower(caplog):
    ranges = {"v": 80.0, "*": 8.0}
    _, warning = ask(caplog, 2e-6, clipping_range=ranges)
    part = float(re.search(r"multiply every clipping_range by (\S+) if", warning)[1])
    _, warning = ask(caplog, 2e-6, clipping_range={name: bound * part / 2 for name, bound in ranges.items()})
    assert warning == ""


@pytest.mark.parametrize(("clipped", "limit"), [(1, 1e-6), (0, 0.08)])
def test_no_range_is_advised_where_a_client_clipped_or_the_range_is_the_measure(clipped, limit):
    settings = Settings(1.0, 2 / 3, quantization_range="auto")
    found = Imprecise("", error_bound=limit, limit=limit, total_weight=1.0)
    words = advice(found, settings, settings.params(NODES, 3), clipped)
    assert "lower clipping_range" not in words


def test_without_a_remedy_there_is_no_colon():
    settings = Settings(1.0, 2 / 3, quantization_range="auto", modulus_range=2**64)
    params = settings.params(NODES, 3)
    heavy = params.error_bound(1, 1.0, exact_weights=False) / settings.max_weight
    found = Imprecise("", error_bound=heavy, limit=heavy / 1e9, total_weight=settings.max_weight)
    words = advice(found, settings, params, clipped=1)
    assert re.fullmatch(r"elements of the mean may be off by \S+, where all elements are small", words)


def test_a_report_keeps_the_bound_and_the_clients_that_clipped(caplog):
    grid, _ = ask(caplog, 9.0)
    report = grid.rounds[0]
    assert report.clipped == NODES and 0 < report.error_bound == grid.last_round.error_bound < 1e-4
    grid, _ = ask(caplog, 0.5, reconstruction_threshold=NODES)
    assert grid.rounds[0].error and grid.rounds[0].error_bound is None and grid.rounds[0].clipped is None


# --- max_weight far above what clients have (F6) -----------------------------------------------------

VALUES = [0.0, 1.0, 2.0, 3.0]


def train(value):
    return lambda arrays: ({name: np.full_like(array, value) for name, array in arrays.items()}, 1, {})


def of_weight_one(how, caplog, max_weight, **settings):
    """The mean of clients of weight 1, or None where the round has none, and all that was said."""
    caplog.clear()
    with caplog.at_level(logging.INFO, logger="flwr"):
        mean = legacy_mean if how == "legacy" else message_mean
        found = mean(max_weight=max_weight, **settings)
    return found, caplog.text


def message_mean(**settings):
    clients = Fleet([message_app(train(value), [secagg_mod]) for value in VALUES])
    grid = SecAggGrid(clients, 2, **settings)
    content = {"arrays": ArrayRecord({"w": Array(np.full(20, 7, np.float32))})}
    replies = list(grid.send_and_receive([Message(RecordDict(content), node, "train") for node in clients.apps]))
    assert {reply.has_error() for reply in replies} == {grid.rounds[0].error is not None}
    return None if grid.rounds[0].error else replies[0].content["arrays"]["w"].numpy()


def legacy_mean(**settings):
    act_as_server()
    clients = Fleet([legacy_app(train(value), [secagg_mod]) for value in VALUES])
    model = ndarrays_to_parameters([np.full(20, 7, np.float32)])
    strategy = FedAvg(initial_parameters=model, min_fit_clients=NODES, min_available_clients=NODES, fraction_evaluate=0.0)
    context = legacy_context(strategy)
    DefaultWorkflow(fit_workflow=SecAggWorkflow(2, **settings))(clients, context)
    (found,) = [array.numpy() for array in context.state.array_records["parameters"].values()]
    return None if (found == 7).all() else found


@pytest.mark.parametrize(
    ("how", "max_weight", "has_mean"),
    # Where there is no mean, a lane is still one whole example: so weights are exact, and the advice is no matter of chance.
    [("legacy", 1e6, True), ("messages", 1e6, True), ("legacy", 3 * 2**22, False), ("messages", 3 * 2**23, False)],
)
def test_a_max_weight_far_above_the_weights_is_told_with_the_one_that_would_do(how, max_weight, has_mean, caplog):
    found, said = of_weight_one(how, caplog, max_weight)
    assert (found is not None) == has_mean, "a mean that is noise is none"
    (lower,) = set(re.findall(r"lower max_weight to (\S+) if no client", said))
    assert "elements of the mean may be off by" in said and float(lower) < max_weight
    found, said = of_weight_one(how, caplog, float(lower))
    np.testing.assert_allclose(found, 1.5, atol=0.08)
    assert "may be off by" not in said and "each element within" in said


@pytest.mark.parametrize("how", ["legacy", "messages"])
def test_the_server_is_told_how_many_clients_clipped_and_what_to_raise(how, caplog):
    """Which of them did is in their own logs alone, which the server's operator does not see."""
    found, said = of_weight_one(how, caplog, 10, clipping_range=2.5)
    np.testing.assert_allclose(found, (0 + 1 + 2 + 2.5) / 4, atol=1e-3)
    assert "1 of 4 clients clipped: raise clipping_range" in said
    found, said = of_weight_one(how, caplog, 10, clipping_range=3.0)
    np.testing.assert_allclose(found, 1.5, atol=1e-3)
    assert "clipped" not in said
