"""The Message API: Flower's unmodified strategies over a grid that aggregates securely."""

import logging
import time

import numpy as np
import pytest
from fleet import Fleet, message_app, moved_by
from flwr.app import Array, ArrayRecord, Message, MetricRecord, RecordDict
from flwr.clientapp.mod import LocalDpMod, adaptiveclipping_mod, fixedclipping_mod
from flwr.serverapp.strategy import (
    Bulyan,
    DifferentialPrivacyClientSideAdaptiveClipping,
    DifferentialPrivacyClientSideFixedClipping,
    DifferentialPrivacyServerSideFixedClipping,
    FedAdagrad,
    FedAdam,
    FedAvg,
    FedAvgM,
    FedMedian,
    FedProx,
    FedTrimmedAvg,
    FedYogi,
    Krum,
    MultiKrum,
    QFedAvg,
)
from secagg import Misuse
from secagg.flower import SecAggGrid, SecAggMod, UnsuitableStrategy, secagg_mod

MODEL = {
    "layer.weight": np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3),
    "layer.bias": np.zeros(3, np.float64),
    "temperature": np.array(0.5, np.float32),
    "half": np.array([1.0, 2.0], np.float16),
    "steps": np.array(3, np.int64),
}
STAGES = ["setup", "share_keys", "collect_masked_vectors", "unmask"]
ERROR = 2 * 8 / (2**22 - 1) * 1000 / 10 + 1e-6
QUIET = {"fraction_evaluate": 0.0, "min_train_nodes": 5, "min_available_nodes": 5}


def record(model=MODEL):
    return ArrayRecord({name: Array(array) for name, array in model.items()})


def fleet(
    steps=(0.25,) * 5, mods=(secagg_mod,), weights=None, metrics=None, weighted_by="num-examples", **more
):
    weights = weights or [10] * len(steps)
    trainings = [
        moved_by(step, weight, **(metrics or {})) for step, weight in zip(steps, weights, strict=True)
    ]
    return Fleet([message_app(train, list(mods), weighted_by=weighted_by) for train in trainings], **more)


def start(strategy, clients, rounds=1, model=MODEL, **settings):
    return strategy.start(
        grid=SecAggGrid(clients, **{"reconstruction_threshold": 3, **settings}),
        initial_arrays=record(model), num_rounds=rounds, timeout=60,
    )  # fmt: skip


FLOATS = {name: array for name, array in MODEL.items() if array.dtype == np.float32}


@pytest.mark.parametrize("strategy", [FedAvg, FedAvgM, FedAdam, FedAdagrad, FedYogi])
def test_strategies_that_average_are_what_they_are_without_secure_aggregation(strategy):
    """Adaptive steps divide by what they averaged, so the tolerance is of their own first moments."""
    plain = strategy(**QUIET).start(
        grid=fleet((0.1, 0.2, 0.3, 0.4, 0.5), mods=()), initial_arrays=record(FLOATS), num_rounds=3
    )
    secure = start(strategy(**QUIET), fleet((0.1, 0.2, 0.3, 0.4, 0.5)), 3, FLOATS)
    for name in FLOATS:
        np.testing.assert_allclose(secure.arrays[name].numpy(), plain.arrays[name].numpy(), atol=5e-3)


def test_fedprox_runs():
    result = start(FedProx(proximal_mu=0.1, **QUIET), fleet())
    np.testing.assert_allclose(
        result.arrays["layer.weight"].numpy(), MODEL["layer.weight"] + 0.25, atol=ERROR
    )


def test_replies_hold_names_shapes_and_dtypes_of_the_model():
    class Looks(FedAvg):
        def aggregate_train(self, server_round, replies):
            self.replies = list(replies)
            return super().aggregate_train(server_round, self.replies)

    strategy = Looks(**QUIET)
    start(strategy, fleet((1.0,) * 5))
    assert len(strategy.replies) == 5
    for reply in strategy.replies:
        found = {name: array.numpy() for name, array in reply.content["arrays"].items()}
        assert list(found) == list(MODEL)
        assert [(a.dtype, a.shape) for a in found.values()] == [(a.dtype, a.shape) for a in MODEL.values()]
        for name, array in found.items():
            np.testing.assert_allclose(array.astype(float), MODEL[name].astype(float) + 1, atol=2e-3)
        assert found["steps"] == 4


def test_weights_count_and_are_hidden():
    weights = [10, 20, 30, 40, 100]
    clients = fleet((0.1, 0.2, 0.3, 0.4, 0.5), weights=weights)
    result = start(FedAvg(**QUIET), clients)
    step = np.average([0.1, 0.2, 0.3, 0.4, 0.5], weights=weights)
    np.testing.assert_allclose(
        result.arrays["layer.weight"].numpy(), MODEL["layer.weight"] + step, atol=ERROR
    )
    for _, _, reply in clients.received:
        assert list(reply.content) == ["secagg"] and list(reply.content["secagg"]) == ["message"]


def test_another_weight_key_is_agreed_on():
    result = start(
        FedAvg(weighted_by_key="tokens", **QUIET), fleet(weighted_by="tokens"), weighted_by="tokens"
    )
    np.testing.assert_allclose(result.arrays["temperature"].numpy(), 0.75, atol=ERROR)


def test_metrics_are_averaged_under_the_mask_or_dropped():
    metrics = {"train_loss": 12.5, "secret": 1.0}
    result = start(FedAvg(**QUIET), fleet(metrics=metrics), metrics={"train_loss": 100.0})
    assert result.train_metrics_clientapp[1] == {"train_loss": pytest.approx(12.5, abs=1e-2)}
    result = start(FedAvg(**QUIET), fleet(metrics=metrics))
    assert result.train_metrics_clientapp[1] == {}


def test_evaluation_can_be_averaged_under_the_mask():
    evaluating = {"min_train_nodes": 5, "min_available_nodes": 5, "min_evaluate_nodes": 5}
    clients = fleet(metrics={"accuracy": 0.5}, mods=[SecAggMod(plain_evaluation=False)])
    result = start(FedAvg(**evaluating), clients, evaluate_metrics={"accuracy": 1.0})
    assert result.evaluate_metrics_clientapp[1] == {"accuracy": pytest.approx(0.5, abs=1e-4)}
    assert all(list(reply.content) == ["secagg"] for _, _, reply in clients.received)


def test_a_client_that_evaluates_under_the_mask_alone_refuses_a_plain_evaluation():
    evaluating = {"min_train_nodes": 5, "min_available_nodes": 5, "min_evaluate_nodes": 5}
    clients = fleet(metrics={"accuracy": 0.5}, mods=[SecAggMod(plain_evaluation=False)])
    result = start(FedAvg(**evaluating), clients)
    assert result.evaluate_metrics_clientapp == {}
    refused = [reply for stage, _, reply in clients.received if stage == "evaluate"]
    assert len(refused) == 5 and all("PlainMessage" in reply.error.reason for reply in refused)


@pytest.mark.parametrize("stage", STAGES)
def test_clients_may_drop_out_at_any_stage(stage):
    clients = fleet((0.1, 0.2, 0.3, 0.4, 0.5), vanish={102: stage})
    result = start(FedAvg(**QUIET), clients, reconstruction_threshold=2)
    step = 0.3 if stage == "unmask" else np.mean([0.1, 0.3, 0.4, 0.5])
    np.testing.assert_allclose(result.arrays["temperature"].numpy(), 0.5 + step, atol=ERROR)


@pytest.mark.parametrize("stage", STAGES)
def test_a_round_that_cannot_finish_is_errors_in_all_replies(stage, caplog):
    clients = fleet(vanish=dict.fromkeys([101, 102, 103], stage))
    with caplog.at_level(logging.INFO, logger="flwr"):
        result = start(FedAvg(**QUIET), clients)
    assert "Received 0 results and 5 failures" in caplog.text
    assert f"secure aggregation failed in {stage}" in caplog.text
    assert not result.arrays


def test_all_stages_together_end_by_the_strategys_timeout():
    clients = fleet(vanish={101: "setup", 102: "unmask"}, silent=True)
    grid = SecAggGrid(clients, 2, timeout=1)
    messages = FedAvg(**QUIET).configure_train(1, record(), _config(), grid)
    started = time.monotonic()
    replies = list(grid.send_and_receive(messages, timeout=30))
    assert 2 <= time.monotonic() - started < 10
    assert sum(reply.has_content() for reply in replies) == 4
    assert [reply.error.reason for reply in replies if reply.has_error()] == ["no reply in time"]
    started = time.monotonic()
    clients.gone.clear()
    messages = FedAvg(**QUIET).configure_train(2, record(), _config(), grid)
    grid.send_and_receive(messages, timeout=0.5)
    assert time.monotonic() - started < 8


def test_a_node_that_the_superlink_gave_up_is_named():
    clients = fleet(vanish={102: "share_keys"})
    grid = SecAggGrid(clients, 3)
    replies = grid.send_and_receive(FedAvg(**QUIET).configure_train(1, record(), _config(), grid))
    assert grid.last_round.failures == {102: "node unavailable"}
    assert [reply.error.reason for reply in replies if reply.has_error()] == ["node unavailable"]


def test_the_shared_record_is_not_changed():
    clients = fleet()
    messages = list(FedAvg(**QUIET).configure_train(1, record(), _config(), clients))
    assert messages[0].content is messages[1].content
    SecAggGrid(clients, 3).send_and_receive(messages)
    assert list(messages[0].content) == ["arrays", "config"]


@pytest.mark.parametrize(
    "strategy",
    [
        lambda: Krum(num_malicious_nodes=1, **QUIET), lambda: MultiKrum(num_malicious_nodes=1, num_nodes_to_select=2, **QUIET),
        lambda: FedMedian(**QUIET), lambda: FedTrimmedAvg(**QUIET), lambda: Bulyan(num_malicious_nodes=0, **QUIET),
        lambda: QFedAvg(client_learning_rate=0.1, **QUIET),
        lambda: DifferentialPrivacyServerSideFixedClipping(FedAvg(**QUIET), 1.0, 1.0, 5),
        lambda: DifferentialPrivacyClientSideFixedClipping(FedMedian(**QUIET), 1.0, 1.0, 5),
    ],
)  # fmt: skip
def test_strategies_that_need_single_updates_are_refused(strategy):
    clients = fleet()
    with pytest.raises(UnsuitableStrategy, match="hides the updates of single clients"):
        start(strategy(), clients)
    assert not clients.sent


def test_a_strategy_of_ones_own_that_averages_is_not_refused():
    class Mine(FedAvg):
        pass

    assert start(Mine(**QUIET), fleet()).arrays


# --- Differential privacy ----------------------------------------------------------------------------


def test_updates_are_clipped_before_they_are_masked():
    """The step of 1 in six elements has a norm of sqrt(6), and is clipped to 0.6."""
    model = {"weight": np.zeros((2, 3), np.float32)}
    strategy = DifferentialPrivacyClientSideFixedClipping(FedAvg(**QUIET), 0.0, 0.6, 5)
    result = start(strategy, fleet((1.0,) * 5, mods=[secagg_mod, fixedclipping_mod]), model=model)
    found = result.arrays["weight"].numpy()
    np.testing.assert_allclose(np.linalg.norm(found), 0.6, atol=10 * ERROR)


def test_noise_is_added_before_the_mask():
    """Five clients' noise of a standard deviation of about 0.05 each, averaged over 10,000 elements."""
    model = {"weight": np.zeros(10_000, np.float32)}
    sigma = 0.05
    noise = LocalDpMod(1.0, sigma / np.sqrt(2 * np.log(1.25 / 0.01)), 1.0, 0.01)
    result = start(FedAvg(**QUIET), fleet((1e-6,) * 5, mods=[secagg_mod, noise]), model=model)
    assert result.arrays["weight"].numpy().std() == pytest.approx(sigma / np.sqrt(5), rel=0.05)


def test_adaptive_clipping_counts_as_many_norm_bits_as_were_set():
    """The updates of three of five clients, of a norm of 2.4, are clipped to 0.6."""
    model = {"weight": np.zeros((2, 3), np.float32)}
    steps = (1.0, 0.2, 1.0, 0.1, 1.0)

    def adaptive():
        return DifferentialPrivacyClientSideAdaptiveClipping(
            FedAvg(**QUIET), 0.0, 5, initial_clipping_norm=0.6, clipped_count_stddev=0.0
        )

    plain, secure = adaptive(), adaptive()
    expected = plain.start(
        grid=fleet(steps, mods=[adaptiveclipping_mod]), initial_arrays=record(model), num_rounds=1
    )
    clients = fleet(steps, mods=[secagg_mod, adaptiveclipping_mod])
    result = start(secure, clients, model=model, metrics=["norm_bit"])
    assert secure.clipping_norm == plain.clipping_norm != 0.6
    found, expected = result.arrays["weight"].numpy(), expected.arrays["weight"].numpy()
    np.testing.assert_allclose(found, expected, atol=ERROR)


def test_all_updates_weigh_the_same_if_asked_for():
    clients = fleet((0.1, 0.2, 0.3, 0.4, 0.5), weights=[10, 20, 30, 40, 100])
    result = start(FedAvg(**QUIET), clients, uniform_weights=True)
    np.testing.assert_allclose(
        result.arrays["layer.weight"].numpy(), MODEL["layer.weight"] + 0.3, atol=ERROR / 50
    )


def test_an_accountant_of_privacy_is_used_with_equal_weights_alone():
    """Flower's wrappers with an accountant look for equal weights in the replies, where ours always are."""

    class Accounted(FedAvg):
        accountant = object()

    with pytest.raises(UnsuitableStrategy, match="uniform_weights=True"):
        start(Accounted(**QUIET), fleet())
    assert start(Accounted(**QUIET), fleet(), uniform_weights=True).arrays


@pytest.mark.parametrize("mod", [fixedclipping_mod, LocalDpMod(1.0, 0.1, 1.0, 0.01)])
def test_the_wrong_order_of_mods_is_named(mod, caplog):
    clients = fleet(mods=[mod, secagg_mod])
    strategy = DifferentialPrivacyClientSideFixedClipping(FedAvg(**QUIET), 0.0, 0.6, 5)
    with caplog.at_level(logging.ERROR, logger="flwr"):
        start(strategy, clients)
    assert "mods=[secagg_mod, fixedclipping_mod]" in caplog.text
    assert {stage for stage, _, _ in clients.received} == {"setup"}


# --- What a client does not answer -------------------------------------------------------------------


def test_a_plain_training_message_is_refused(caplog):
    clients = fleet()
    with caplog.at_level(logging.INFO, logger="flwr"):
        result = FedAvg(**QUIET).start(grid=clients, initial_arrays=record(), num_rounds=1)
    assert not result.arrays
    assert "give the strategy a secagg.flower.SecAggGrid" in caplog.text


def test_a_reply_with_arrays_is_refused_whatever_was_asked():
    app = message_app(moved_by(0.1), [secagg_mod])

    @app.query(mods=[secagg_mod])
    def _query(message, context):
        return Message(RecordDict({"arrays": record(), "metrics": MetricRecord({"a": 1})}), reply_to=message)

    @app.query("harmless", mods=[secagg_mod])
    def _harmless(message, context):
        return Message(RecordDict({"metrics": MetricRecord({"a": 1})}), reply_to=message)

    clients = Fleet([app])
    (reply,) = clients.send_and_receive([Message(RecordDict(), 101, "query")])
    assert "holds arrays" in reply.error.reason
    (reply,) = clients.send_and_receive([Message(RecordDict(), 101, "query.harmless")])
    assert reply.content["metrics"] == {"a": 1}


def test_a_client_without_the_mod_drops_out_and_trains_on_nothing():
    clients = fleet()
    clients.apps[103] = message_app(moved_by(0.1), [])
    result = start(FedAvg(**QUIET), clients)
    np.testing.assert_allclose(result.arrays["temperature"].numpy(), 0.75, atol=ERROR)


def test_messages_that_make_no_round_are_refused():
    clients = fleet()
    grid = SecAggGrid(clients, 3)
    content = RecordDict({"arrays": record(), "config": _config()})
    twice = [Message(content, 101, "train"), Message(content, 101, "train")]
    with pytest.raises(Misuse, match="two messages"):
        grid.send_and_receive(twice)
    with pytest.raises(Misuse, match="one kind"):
        grid.send_and_receive([Message(content, 101, "train"), Message(content, 102, "query")])
    with pytest.raises(Misuse, match="send_and_receive"):
        grid.push_messages([Message(content, 101, "train")])
    assert not clients.sent


def test_other_messages_and_whatever_else_a_grid_can_do_pass_through():
    grid = SecAggGrid(fleet(), 3)
    assert list(grid.get_node_ids()) == [101, 102, 103, 104, 105]
    assert grid.run.run_id == 7
    content = RecordDict({"arrays": record()})
    (reply,) = grid.send_and_receive([Message(content, 101, "evaluate")])
    assert reply.content["metrics"]["num-examples"] == 10
    with pytest.raises(AttributeError):
        _ = grid.nothing


def _config():
    from flwr.app import ConfigRecord

    return ConfigRecord()


class Halving(FedAvg):
    """Changes the replies that it is given, one by one."""

    def aggregate_train(self, server_round, replies):
        replies = list(replies)
        for reply in replies:
            arrays = reply.content["arrays"]
            for name in list(arrays):
                arrays[name] = Array(arrays[name].numpy() * np.float32(0.5))
        return super().aggregate_train(server_round, replies)


def test_a_strategy_may_change_one_reply_and_not_mean_the_others():
    model = {"weight": np.ones(3, np.float32)}
    result = start(Halving(**QUIET), fleet(), model=model)
    np.testing.assert_allclose(result.arrays["weight"].numpy(), 0.625, atol=ERROR)


@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.int64, np.uint64])
def test_the_largest_integers_stay_what_they_are(dtype):
    largest = min(np.iinfo(dtype).max, 2**53)
    model = {"counters": np.full(3, largest, dtype), "one": np.array(largest, dtype)}
    clients = Fleet([message_app(lambda arrays: (arrays, 1000, {}), [secagg_mod]) for _ in range(5)])
    result = start(FedAvg(**QUIET), clients, model=model, clipping_range=float(largest))
    for name, array in model.items():
        mean = result.arrays[name].numpy()
        assert (mean.shape, mean.dtype) == (array.shape, array.dtype)
        # Within a level of the quantizer, and on this side of zero.
        np.testing.assert_allclose(mean.astype(float), float(largest), rtol=1e-5, atol=1)


class Holding(FedAvg):
    """Holds another strategy under a name of its own."""

    def __init__(self, held, **settings):
        super().__init__(**settings)
        self.inner = held
        self.me = self


def test_a_strategy_is_looked_for_under_any_name():
    with pytest.raises(UnsuitableStrategy, match="median"):
        start(Holding(FedMedian(**QUIET), **QUIET), fleet())
    assert start(Holding(FedAvg(**QUIET), **QUIET), fleet()).arrays
