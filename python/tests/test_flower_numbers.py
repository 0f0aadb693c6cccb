"""The table of docs/flower.md, "Which numbers": each number in it is computed anew, and its drop-outs happen."""

import random
from pathlib import Path

import numpy as np
import pytest
from fleet import Fleet, act_as_server, message_app, moved_by
from flwr.app import ArrayRecord
from flwr.serverapp.strategy import FedAvg

from secagg import Params, plan
from secagg.flower import SecAggGrid, SecAggPlusWorkflow, secagg_mod
from secagg.flower.settings import Settings

PAGE = Path(__file__).parents[2] / "docs" / "flower.md"
NODES = [3, 10, 100, 1000]
UPDATE = 1000

pytestmark = pytest.mark.skipif(not PAGE.exists(), reason="a source distribution has no page")


@pytest.mark.parametrize("nodes", NODES)
def test_the_defaults(nodes):
    params = of_grid(nodes)
    assert numbers("shares of each secret, and how many recover it", nodes) == [params.degree, params.threshold]
    collude, vanish = numbers("nodes that may collude", nodes, 0), numbers("nodes that may vanish", nodes, 0)
    assert collude == [params.threshold - 1] and vanish == [params.degree - params.threshold]


@pytest.mark.parametrize("nodes", [100, 1000])
def test_fewer_neighbours(nodes):
    planned = plan(nodes, corrupted=0.1, dropout=0.2)
    shares, threshold = numbers("`num_shares`, `reconstruction_threshold` of `SecAggGrid`", nodes)
    assert [shares, threshold] == [planned.degree, planned.threshold]
    workflow = SecAggPlusWorkflow(*numbers("the same of `SecAggPlusWorkflow`", nodes)).settings
    assert graph(workflow.params(nodes, UPDATE)) == graph(of_grid(nodes, shares, threshold)) == [shares, threshold]
    assert numbers("nodes that may collude", nodes, 1) == [planned.corrupted]
    assert numbers("nodes that may vanish", nodes, 1) == [planned.dropped]


@pytest.mark.parametrize("nodes", NODES)
def test_kilobytes_and_errors(nodes):
    rounds = [of_grid(nodes)]
    if nodes > 10:
        rounds.append(of_grid(nodes, *numbers("`num_shares`, `reconstruction_threshold` of `SecAggGrid`", nodes)))
    assert numbers("kilobytes for a client", nodes, separator="/") == [round(overhead(params) / 1000) for params in rounds]
    (times,) = numbers("**`max_weight`**", nodes)
    fine = Settings(1.0, 2 / 3, quantization_range="auto").params(nodes, UPDATE)
    assert 0.9e-3 < times * fine.error_bound(nodes, nodes * 1000.0, exact_weights=False) < 1e-3


@pytest.mark.parametrize(
    ("nodes", "settings", "vanish", "has_mean"),
    [(3, {}, 0, True), (3, {}, 1, False), (10, {}, 3, True), (10, {}, 4, False)]
    + [(100, {"num_shares": 30, "reconstruction_threshold": 11}, 20, True)],
)
def test_as_many_as_may_vanish_do(nodes, settings, vanish, has_mean):
    act_as_server()
    gone = random.Random(1).sample(range(101, 101 + nodes), vanish)
    fleet = Fleet(
        [message_app(moved_by(0.25), [secagg_mod]) for _ in range(nodes)],
        vanish=dict.fromkeys(gone, "collect_masked_vectors"),
    )
    strategy = FedAvg(fraction_evaluate=0.0, min_train_nodes=nodes, min_available_nodes=nodes)
    model = ArrayRecord([np.zeros(4, np.float32)])
    result = strategy.start(grid=SecAggGrid(fleet, **settings), initial_arrays=model, num_rounds=1)
    assert bool(result.arrays) == has_mean
    for array in result.arrays.to_numpy_ndarrays():
        np.testing.assert_allclose(array, 0.25, atol=1e-3)


def of_grid(nodes: int, *settings: int) -> Params:
    return SecAggGrid(Fleet([]), **dict(zip(("num_shares", "reconstruction_threshold"), settings))).settings.params(
        nodes, UPDATE
    )


def graph(params: Params) -> list[int]:
    return [params.degree, params.threshold]


def overhead(params: Params) -> int:
    """Bytes to and from one client, but for its vector."""
    vector = params.lanes * (params.modulus_range.bit_length() - 1) / 8
    return sum(up + down for _, up, down in params.bytes_per_client()) - round(vector)


def numbers(label: str, nodes: int, place: int = 0, *, separator: str = ", ") -> list[int]:
    """The numbers of the row that begins so (the `place`th of such rows), in the column of so many nodes."""
    lines = PAGE.read_text().split("## Which numbers")[1].split("\n## ")[0].splitlines()
    rows = [line.split("|") for line in lines if line.startswith(f"| {label}")]
    cell = rows[place][2 + NODES.index(nodes)]
    return [int(number.replace(",", "")) for number in cell.split(separator)]
