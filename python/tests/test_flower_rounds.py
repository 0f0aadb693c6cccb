"""Rounds that go wrong and do not end the run: too few nodes, stragglers, liars; and reports of them."""

import logging
import time

import numpy as np
import pytest
from fleet import Fleet, legacy_app, legacy_context, message_app, moved_by
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp.mod import adaptiveclipping_mod
from flwr.common import ndarrays_to_parameters
from flwr.common.serde import recorddict_from_proto, recorddict_to_proto
from flwr.server.strategy import FedAvg as LegacyFedAvg
from flwr.server.workflow import DefaultWorkflow
from flwr.serverapp.strategy import DifferentialPrivacyClientSideAdaptiveClipping, FedAvg
from secagg.flower import SecAggGrid, SecAggPlusWorkflow, UnsuitableStrategy, _records, secagg_mod, secaggplus_mod
from secagg.flower.deadlines import Deadlines

ERROR = 2 * 8 / (2**22 - 1) * 1000 / 10 + 1e-6
MODEL = {"w": np.zeros(4, np.float32)}


def record(model=MODEL):
    return ArrayRecord({name: Array(array) for name, array in model.items()})


def apps(count, mods=(secagg_mod,), train=None):
    return [message_app(train or moved_by(0.25), list(mods)) for _ in range(count)]


def start(clients, least, rounds=1, grid=None, **settings):
    strategy = FedAvg(fraction_evaluate=0.0, min_train_nodes=least, min_available_nodes=least)
    grid = grid or SecAggGrid(clients, **settings)
    return strategy.start(grid=grid, initial_arrays=record(), num_rounds=rounds, timeout=60), grid


def ask(clients, nodes=None, whole=None, model=MODEL, **settings):
    """One round over some nodes; gives the mean, or None, with the replies and the grid."""
    grid = SecAggGrid(clients, **settings)
    content = RecordDict({"arrays": record(model), "config": ConfigRecord()})
    messages = [Message(content, node, "train") for node in nodes or clients.apps]
    replies = list(grid.send_and_receive(messages, timeout=whole))
    good = [reply.content["arrays"]["w"].numpy() for reply in replies if reply.has_content()]
    return (good[0] if good else None), replies, grid


# --- Too few nodes -----------------------------------------------------------------------------------


def test_a_round_of_two_nodes_fails_and_the_run_goes_on(caplog):
    clients, sizes = Fleet(apps(5)), iter([5, 5, 2, 2, 5, 5])
    clients.get_node_ids = lambda: list(clients.apps)[: next(sizes)]
    with caplog.at_level(logging.INFO, logger="flwr"):
        result, grid = start(clients, 2, rounds=3)
    np.testing.assert_allclose(result.arrays["w"].numpy(), 0.5, atol=2 * ERROR)
    for words in ("This round has 2 nodes", "parameters need 3", "min_train_nodes and min_available_nodes"):
        assert words in caplog.text
    assert [len(it.survivors) for it in grid.rounds] == [5, 0, 5]
    assert "at least 3" in grid.rounds[1].error and not grid.rounds[1].stages


def test_an_app_that_starts_before_its_nodes_loses_one_round():
    clients, seen = Fleet(apps(5)), iter([[]])
    clients.get_node_ids = lambda: next(seen, list(clients.apps))
    strategy = FedAvg(fraction_evaluate=0.0, min_available_nodes=5)
    result = strategy.start(grid=SecAggGrid(clients), initial_arrays=record(), num_rounds=3)
    np.testing.assert_allclose(result.arrays["w"].numpy(), 0.5, atol=2 * ERROR)


@pytest.mark.parametrize(
    ("nodes", "settings", "need"),
    [
        (1, {}, 3),
        (2, {}, 3),
        (5, {"reconstruction_threshold": 5}, 6),
        (4, {"num_shares": 6, "reconstruction_threshold": 4}, 5),
        (3, {"reconstruction_threshold": 300}, 512),
    ],
)
def test_every_way_to_have_too_few_nodes_is_a_failed_round(nodes, settings, need):
    clients = Fleet(apps(8))
    mean, replies, grid = ask(clients, list(clients.apps)[:nodes], **settings)
    assert mean is None and len(replies) == nodes and not clients.sent
    for reply in replies:
        assert f"This round has {nodes} nodes, and these parameters need {need}" in reply.error.reason
        assert "lower reconstruction_threshold" in reply.error.reason


def test_an_evaluation_of_two_nodes_leaves_the_trained_model():
    clients = Fleet([message_app(moved_by(0.25, accuracy=0.5), [secagg_mod]) for _ in range(4)])
    strategy = FedAvg(fraction_evaluate=0.5, min_train_nodes=4, min_available_nodes=4, min_evaluate_nodes=2)
    grid = SecAggGrid(clients, evaluate_metrics={"accuracy": 1.0})
    result = strategy.start(grid=grid, initial_arrays=record(), num_rounds=2)
    np.testing.assert_allclose(result.arrays["w"].numpy(), 0.5, atol=2 * ERROR)
    assert "min_evaluate_nodes" in grid.rounds[-1].error


@pytest.mark.parametrize(
    "settings",
    [{"modulus_range": 2**100}, {"quantization_range": 2**22, "modulus_range": 2**23}],
)
def test_parameters_that_no_cohort_fits_raise_at_construction(settings):
    with pytest.raises(ValueError, match="modulus"):
        SecAggGrid(Fleet(apps(5)), **settings)


def test_nodes_that_are_lost_in_the_round_are_counted_in_the_advice():
    clients = Fleet(apps(6), vanish=dict.fromkeys([101, 102, 103], "share_keys"))
    mean, replies, _ = ask(clients, reconstruction_threshold=4)
    assert mean is None
    reason = replies[-1].error.reason
    assert "Of the 6 nodes of the round 3 have answered" in reason and "min_train_nodes" in reason


def test_a_legacy_round_of_too_few_clients_is_a_failed_round(caplog):
    strategy = LegacyFedAvg(
        initial_parameters=ndarrays_to_parameters(list(MODEL.values())), min_fit_clients=2,
        min_available_clients=2, fraction_evaluate=0.0,
    )  # fmt: skip
    context = legacy_context(strategy, rounds=1)
    clients = Fleet([legacy_app(moved_by(0.25), [secaggplus_mod]) for _ in range(2)])
    DefaultWorkflow(fit_workflow=SecAggPlusWorkflow(1.0, 2))(clients, context)
    assert not context.state.array_records["parameters"]["0"].numpy().any()
    assert "min_fit_clients" in caplog.text


# --- Stragglers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", ["setup", "share_keys", "collect_masked_vectors", "unmask"])
@pytest.mark.parametrize("settings", [{}, {"timeout": 0.5}, {"timeout": 60.0}])
def test_a_silent_node_costs_its_own_update_alone(stage, settings):
    clients = Fleet(apps(5), vanish={101: stage}, silent=True)
    started = time.monotonic()
    mean, replies, grid = ask(clients, whole=4.0, **settings)
    assert time.monotonic() - started < 4.5
    np.testing.assert_allclose(mean, 0.25, atol=ERROR)
    assert grid.last_round.failures == {101: "no reply in time"}
    assert replies[0].has_error() is (stage != "unmask")


def test_training_is_closed_after_its_own_timeout():
    clients = Fleet(apps(5), vanish={101: "collect_masked_vectors"}, silent=True)
    started = time.monotonic()
    mean, _, grid = ask(clients, train_timeout=0.5)
    assert time.monotonic() - started < 10
    np.testing.assert_allclose(mean, 0.25, atol=ERROR)
    assert set(grid.last_round.failures) == {101}


@pytest.mark.parametrize(("min_answers", "answers"), [(0.6, 3), (0.61, 4), (4, 4), (1, 5), (1.0, 5)])
def test_training_is_closed_when_enough_have_answered(min_answers, answers):
    """By the clock it is not: nobody is silent, and each answer is one more look at the grid."""
    _, _, grid = ask(Fleet(apps(5)), min_answers=min_answers, reconstruction_threshold=2)
    stages = {stage.stage: stage for stage in grid.last_round.stages}
    assert stages["collect_masked_vectors"].answered == answers
    assert len(grid.rounds[-1].survivors) == answers


def test_training_is_not_closed_before_the_round_can_be_finished():
    _, _, grid = ask(Fleet(apps(5)), min_answers=2, reconstruction_threshold=3)
    assert len(grid.rounds[-1].survivors) == 4


@pytest.mark.parametrize(
    "settings", [{"train_timeout": 0}, {"train_timeout": "1"}, {"min_answers": 0.0}, {"min_answers": 1.5}]
)
def test_nonsense_closes_no_training(settings):
    with pytest.raises((ValueError, TypeError), match=next(iter(settings))):
        SecAggGrid(Fleet(apps(3)), **settings)


def test_each_stage_leaves_time_for_those_that_follow():
    """100 seconds in all: a fifth for each stage but training, also where the grid's own timeout is longer."""
    for stage, most in [(None, 20), (70, 20), (5, 5)]:
        deadlines = Deadlines(100.0, stage, None)
        assert deadlines.limit("setup") == pytest.approx(most, abs=0.5)
        assert deadlines.limit("collect_masked_vectors") == pytest.approx(100 - most, abs=0.5)
        late = Deadlines(100.0, stage, None, time.monotonic() - 90)
        assert late.limit("share_keys") == pytest.approx(max(10 - 2 * most, 0), abs=0.5)
        assert late.limit("unmask") == pytest.approx(min(stage or 10, 10), abs=0.5)
    assert Deadlines(100.0, None, 30.0).limit("collect_masked_vectors") == 30
    assert Deadlines(None, None, None).limit("setup") is None
    assert Deadlines(None, 5.0, 7.0).limit("collect_masked_vectors") == 7


# --- Who lied ----------------------------------------------------------------------------------------


def test_a_liar_that_ends_the_round_is_named_to_the_strategy():
    def lie(node, stage, reply):
        if (node, stage) == (102, "share_keys"):
            message = bytearray(reply.content["secagg"]["message"])
            message[40] ^= 1
            reply.content["secagg"] = ConfigRecord({"message": bytes(message)})
        return reply

    mean, replies, grid = ask(Fleet(apps(6), tamper=lie))
    assert mean is None
    assert set(grid.last_round.failures) == set(grid.rounds[-1].failures) == {102}
    reasons = {reply.metadata.src_node_id: reply.error.reason for reply in replies}
    assert reasons[102].startswith("the shares of client 102's secret")
    assert reasons[102].endswith("client 102 lied, unless 2 or more others did")
    assert all("secure aggregation failed in unmask" in reasons[node] for node in reasons if node != 102)


def test_an_owner_whose_holders_lied_is_a_suspect_and_no_more():
    def lie(node, stage, reply):
        if stage == "unmask" and node in (104, 105):
            message = bytes(reply.content["secagg"]["message"])
            reply.content["secagg"] = ConfigRecord({"message": message[:40] + bytes(len(message) - 40)})
        return reply

    mean, replies, grid = ask(Fleet(apps(6), tamper=lie), reconstruction_threshold=0.6)
    assert mean is None and len(grid.last_round.failures) == 1
    ((suspect, reason),) = grid.last_round.failures.items()
    assert suspect not in (104, 105)
    assert "Nodes said" not in grid.rounds[0].error
    for words in [reason, grid.rounds[0].error, *(reply.error.reason for reply in replies)]:
        assert f"client {suspect}'s secret" in words and "it lied, or some of its neighbours did" in words


def test_a_fleet_of_which_half_lacks_the_mod_is_told_so(caplog):
    clients = Fleet(apps(3) + apps(3, mods=()))
    with caplog.at_level(logging.INFO, logger="flwr"):
        mean, _, grid = ask(clients, reconstruction_threshold=4)
    assert mean is None
    assert all("secagg_mod may be missing" in grid.last_round.failures[node] for node in (104, 105, 106))
    assert caplog.text.count("secagg_mod may be missing") == 4  # Once for each, and once in the failure.


# --- Long messages -----------------------------------------------------------------------------------


def test_vectors_travel_in_chunks(monkeypatch):
    """With chunks of 1,000 bytes, through the objects of which Flower sends one at a time."""
    from flwr.app.message import array
    from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects
    from flwr.supercore.inflatable.inflatable_utils import inflate_object_from_contents

    monkeypatch.setattr(array, "FLWR_PRIVATE_MAX_ARRAY_CHUNK_SIZE", 1000)
    monkeypatch.setattr(_records, "LONGEST_ENTRY", 500)
    largest = []

    def through_objects(node, stage, reply):
        objects = get_all_nested_objects(reply.content)
        contents = {name: it.deflate() for name, it in objects.items()}
        largest.append(max(map(len, contents.values())))
        reply.content = inflate_object_from_contents(reply.content.object_id, contents)
        return reply

    model = {"w": np.zeros(5000, np.float32)}
    mean, _, _ = ask(Fleet(apps(3), tamper=through_objects), model=model)
    np.testing.assert_allclose(mean, 0.25, atol=ERROR)
    assert 1000 < max(largest) < 3000  # Of 20,000 bytes: a chunk, or the list of their hashes.


def test_a_message_above_two_gibibytes_has_no_object_that_flower_cannot_send():
    """The array's own object lists a hash of 64 digits and a number for each chunk of 5 MiB."""
    from flwr.common.constant import FLWR_PRIVATE_MAX_ARRAY_CHUNK_SIZE as CHUNK

    chunks = (2**31 + 100) // CHUNK + 1
    assert CHUNK + 1000 < 2**31 and chunks * (65 + 8) + 1000 < 2**20
    for size in (_records.LONGEST_ENTRY, _records.LONGEST_ENTRY + 1):
        message = bytes(size)
        records = RecordDict(_records.wrap(message, b"terms"))
        inline = [len(it) for it in records["secagg"].values() if isinstance(it, bytes)]
        assert max(inline) <= _records.LONGEST_ENTRY < 2**31
        again = recorddict_from_proto(recorddict_to_proto(records))
        assert _records.unwrap(again) == message and again["secagg"]["terms"] == b"terms"
        assert _records.unwrap(records) is message, "no copy is made"
        assert not _records.without_record(again)


# --- The client's state ------------------------------------------------------------------------------


def test_the_state_does_not_grow_with_the_model():
    sizes = {}

    def look(node, stage, reply):
        sizes[len(model["w"]), stage] = len(clients.contexts[node].state["secagg.state"].get("sealed", b""))
        return reply

    for elements in (10, 100_000):
        model = {"w": np.zeros(elements, np.float32)}
        clients = Fleet(apps(3), tamper=look)
        mean, _, _ = ask(clients, model=model)
        np.testing.assert_allclose(mean, 0.25, atol=ERROR)
    assert 0 < sizes[100_000, "collect_masked_vectors"] == sizes[10, "collect_masked_vectors"] < 1000


def test_a_second_asking_for_the_vector_is_refused_and_costs_nothing():
    seen = []

    def ask_again(node, stage, reply):
        if (node, stage) == (101, "collect_masked_vectors"):
            (message,) = [it for at, to, it in clients.sent if (at, to) == (stage, node)]
            again = clients.apps[node](message, clients.contexts[node])
            seen.append(again.error.reason)
        return reply

    clients = Fleet(apps(3), tamper=ask_again)
    mean, _, _ = ask(clients)
    np.testing.assert_allclose(mean, 0.25, atol=ERROR)
    assert len(seen) == 1 and seen[0].startswith("Stale: this request was answered before")


@pytest.mark.parametrize("change", ["replaces", "clears"])
def test_an_app_may_replace_its_contexts_state(change):
    def forgetful(message: Message, context: Context) -> Message:
        if change == "replaces":
            context.state = RecordDict({"own": MetricRecord({"a": 1})})
        else:
            context.state.clear()
        return app(message, context)

    app = message_app(moved_by(0.25, accuracy=0.5), [])
    wrapped = lambda message, context: secagg_mod(message, context, forgetful)  # noqa: E731
    clients = Fleet([wrapped for _ in range(3)])
    mean, _, _ = ask(clients)
    np.testing.assert_allclose(mean, 0.25, atol=ERROR)
    evaluation = Message(RecordDict({"arrays": record()}), 101, "evaluate")
    (reply,) = clients.send_and_receive([evaluation])
    assert reply.has_content()
    assert clients.contexts[101].state["secagg.state"]["trained"], "and it has trained, still"
    assert ("own" in clients.contexts[101].state) is (change == "replaces")


# --- What is wrong is called by its name --------------------------------------------------------------


def failure_of(train, **settings):
    clients = Fleet([*apps(4, train=moved_by(0.25, loss=0.5)), message_app(train, [secagg_mod])])
    mean, _, grid = ask(clients, **settings)
    np.testing.assert_allclose(mean, 0.25, atol=ERROR)
    return grid.last_round.failures.get(105)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_metric_that_is_not_finite_is_called_a_metric(value):
    found = failure_of(moved_by(0.25, loss=value), metrics={"loss": 10.0})
    assert "metric 'loss'" in found and "not finite" in found


@pytest.mark.parametrize("weight", [-1, float("nan"), float("inf")])
def test_a_weight_that_is_none_is_not_told_to_raise_the_largest(weight):
    found = failure_of(moved_by(0.25, weight=weight))
    assert "negative or not finite" in found and "max_weight" not in found


def test_an_infinite_value_is_not_said_to_be_clipped(caplog):
    found = failure_of(moved_by(float("inf")))
    assert "not finite, in 'w'" in found
    assert "clipped" not in caplog.text


def test_uniform_weights_need_no_number_of_examples():
    clients = Fleet([message_app(moved_by(0.25), [secagg_mod], weighted_by="other") for _ in range(3)])
    mean, _, _ = ask(clients, uniform_weights=True)
    np.testing.assert_allclose(mean, 0.25, atol=ERROR)


def test_adaptive_clipping_without_its_metric_is_refused_before_training():
    clients = Fleet(apps(5, mods=[secagg_mod, adaptiveclipping_mod]))
    strategy = DifferentialPrivacyClientSideAdaptiveClipping(FedAvg(fraction_evaluate=0.0), 0.1, 5)
    with pytest.raises(UnsuitableStrategy, match=r'metrics=\["norm_bit"\]'):
        strategy.start(grid=SecAggGrid(clients), initial_arrays=record(), num_rounds=1)
    assert not clients.sent


# --- Reports -----------------------------------------------------------------------------------------


def test_each_stage_and_the_mean_have_a_line(caplog):
    clients = Fleet(apps(5), vanish={101: "share_keys"})
    with caplog.at_level(logging.INFO, logger="flwr"):
        ask(clients)
    lines = [it.message for it in caplog.records if it.levelno == logging.INFO]
    for start in ("setup: 5 of 5 in ", "share keys: 4 of 5 in ", "collect masked vectors: 4 of 4 in ", "unmask: 4 of 4"):
        assert any(line.startswith(f"secure aggregation: {start}") for line in lines), lines
    assert any("the mean of 4 of 5 clients, each element within 0.0" in line for line in lines), lines


def test_every_round_leaves_a_report_without_its_model():
    clients = Fleet(apps(5))
    _, grid = start(clients, 5, rounds=2)
    assert [it.message_type for it in grid.rounds] == ["train", "train"]
    for report in grid.rounds:
        assert [it.stage for it in report.stages] == ["setup", "share_keys", "collect_masked_vectors", "unmask"]
        assert all(it.seconds > 0 and it.bytes_down > 0 and it.bytes_up > 0 for it in report.stages)
        assert report.survivors == report.nodes == list(clients.apps) and report.error is None
    assert not grid.last_round.contents

