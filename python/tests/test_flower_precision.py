"""Advice where a mean is imprecise: it is followed in another round, which then needs none."""

import logging
import re

import numpy as np
import pytest
from fleet import Fleet, message_app
from flwr.app import Array, ArrayRecord, Message, RecordDict
from secagg import Imprecise
from secagg.flower import SecAggGrid, secagg_mod
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
