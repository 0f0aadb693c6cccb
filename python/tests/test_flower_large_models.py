"""Copies of a large model in a round: none is made or held that could be spared."""

import gc
import tracemalloc
import weakref

import numpy as np
import pytest
import secagg.flower.round
from fleet import Fleet, act_as_server, legacy_app, legacy_context, message_app, moved_by
from flwr.app import Array, ArrayRecord
from flwr.common import ndarrays_to_parameters
from flwr.server.strategy import FedAvg as LegacyFedAvg
from flwr.server.workflow import DefaultWorkflow
from flwr.serverapp.strategy import FedAvg
from secagg.flower import SecAggGrid, SecAggWorkflow, secagg_mod
from secagg.flower._records import LONG_RECORD, LONGEST_ENTRY, MESSAGE
from secagg.flower.layout import Layout
from secagg.flower.npy import in_place

ELEMENTS = LONGEST_ENTRY // 4
"""A vector of so many, with its weight, is sent as an array."""


@pytest.fixture(autouse=True)
def server():
    act_as_server()


class Forgotten(list):
    """A list that stays empty."""

    def append(self, item):
        pass


def fleet_of(app, train=moved_by(0.25, weight=1000), **more):
    fleet = Fleet([app(train, [secagg_mod]) for _ in range(3)], **more)
    fleet.sent, fleet.received = Forgotten(), Forgotten()
    return fleet


def test_no_reply_is_held_longer_than_it_takes_to_add_it():
    arrived, held = [], []

    def count(node, stage, reply):
        if stage == "collect_masked_vectors":
            held.append(sum(vector() is not None for vector in arrived))
            arrived.append(weakref.ref(reply.content[LONG_RECORD][MESSAGE]))
        return reply

    grid = SecAggGrid(fleet_of(message_app, tamper=count))
    strategy = FedAvg(fraction_evaluate=0.0, min_train_nodes=3, min_available_nodes=3)
    gc.collect()
    gc.disable()
    try:
        model = ArrayRecord([np.zeros(ELEMENTS, np.float32)])
        strategy.start(grid=grid, initial_arrays=model, num_rounds=1)
    finally:
        gc.enable()
    assert held == [0, 0, 0]


def test_a_client_holds_no_update_once_it_has_answered():
    updates, held = [], []

    def train(arrays):
        held.append(sum(update() is not None for update in updates))
        return moved_by(0.25, weight=1000)(arrays)

    def watch(message, context, call_next):
        reply = call_next(message, context)
        updates.append(weakref.ref(reply.content["arrays"]["0"]))
        return reply

    fleet = Fleet([message_app(train, [secagg_mod, watch]) for _ in range(3)])
    strategy = FedAvg(fraction_evaluate=0.0, min_train_nodes=3, min_available_nodes=3)
    gc.collect()
    gc.disable()
    try:
        strategy.start(grid=SecAggGrid(fleet), initial_arrays=ArrayRecord([np.zeros(4)]), num_rounds=1)
    finally:
        gc.enable()
    assert held == [0, 0, 0]


def test_a_model_is_hashed_once_for_all_clients_of_a_legacy_round(monkeypatch):
    hashed = []
    hash_of = secagg.flower.round.hash_of
    monkeypatch.setattr(
        secagg.flower.round, "hash_of", lambda content: hashed.append(content) or hash_of(content)
    )
    strategy = LegacyFedAvg(
        initial_parameters=ndarrays_to_parameters([np.zeros(4), np.zeros(2)]), fraction_evaluate=0.0,
        min_fit_clients=3, min_available_clients=3,
    )  # fmt: skip
    context = legacy_context(strategy)
    DefaultWorkflow(fit_workflow=SecAggWorkflow(0.67))(fleet_of(legacy_app), context)
    assert len(hashed) == 1
    np.testing.assert_allclose(context.state.array_records["parameters"]["0"].numpy(), 0.25, atol=1e-4)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((0, 5), np.float32), np.asarray(3.0), np.arange(12.0).reshape(3, 4), np.array([True, False]),
        np.asfortranarray(np.arange(12).reshape(3, 4)), np.arange(3, dtype=">f4"), np.arange(6)[::2],
    ],
    ids=["empty", "0-d", "C order", "bool", "Fortran order", "big-endian", "strided"],
)  # fmt: skip
def test_arrays_are_read_where_they_are(array):
    serialized = Array(array)
    found = in_place(serialized)
    assert (found.dtype, found.shape, found.flags.aligned) == (array.dtype, array.shape, True)
    np.testing.assert_array_equal(found, array)
    if array.size:
        assert np.shares_memory(found, np.frombuffer(serialized.data, np.uint8))


def test_an_update_is_copied_once_into_its_vector():
    records = {"arrays": ArrayRecord({"w": Array(np.ones(ELEMENTS, np.float32))})}
    tracemalloc.start()
    try:
        layout = Layout.of(records)
        assert tracemalloc.get_traced_memory()[1] < 4 * ELEMENTS / 2, "a layout needs no copy"
        vector = layout.flatten(records, 8.0)
        assert tracemalloc.get_traced_memory()[1] < 1.5 * vector.nbytes
    finally:
        tracemalloc.stop()


GOOD = Array(np.zeros(4)).data


@pytest.mark.parametrize(
    "data",
    [b"", b"PK\x03\x04 an archive", GOOD[:20], GOOD[:-1], GOOD.replace(b"(4,)", b"(-1)"), GOOD.replace(b"(4,)", b"(9,)")],
    ids=["nothing", "no array", "half a header", "a byte too few", "a negative length", "more than there is"],
)
def test_what_is_no_array_is_refused(data):
    with pytest.raises((TypeError, ValueError)):
        in_place(Array(dtype="float64", shape=(4,), stype="numpy.ndarray", data=data))


def test_objects_are_not_unpickled():
    file = GOOD.replace(b"'<f8'", b"'|O' ")
    with pytest.raises(ValueError, match="pickle"):
        in_place(Array(dtype="object", shape=(4,), stype="numpy.ndarray", data=file))
