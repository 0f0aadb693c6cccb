"""Arrays of a model through whole rounds of both APIs: types, arrays that are left alone, ranges, records."""

import logging
import re

import numpy as np
import pytest
from fleet import Fleet, legacy_app, legacy_context, message_app
from flwr.app import Array, ArrayRecord, MetricRecord, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.common import ndarrays_to_parameters
from flwr.server import strategy as legacy
from flwr.server.workflow import DefaultWorkflow
from flwr.serverapp import strategy
from secagg import Misuse
from secagg.flower import BadArrays, SecAggGrid, SecAggPlusWorkflow, secagg_mod

NODES = 4
QUIET = {"fraction_evaluate": 0.0, "min_train_nodes": NODES, "min_available_nodes": NODES}
ERROR = 2 * 8 / (2**22 - 1) * 1000 / 100 + 1e-6
DTYPES = ["f2", "f4", "f8", ">f4", "i1", "i2", "i4", "i8", ">i8", "u1", "u2", "u4", "u8", "?"]
MODEL = {
    f"{shape} of {dtype}": np.asarray(array, order="F").astype(dtype)
    for dtype in DTYPES
    for shape, array in {"two axes": np.eye(2, 3), "none": np.array(1), "empty": np.zeros((0, 2))}.items()
}


def same(arrays):
    return arrays, 100, {}


def set_to(**values):
    """A training that replies other values of some arrays."""
    return lambda arrays: (
        {name: np.asarray(values[name], array.dtype) if name in values else array for name, array in arrays.items()},
        100,
        {},
    )


def record(model):
    return ArrayRecord({name: Array(np.asarray(array)) for name, array in model.items()})


def run(model, trains=(same,) * NODES, how=strategy.FedAvg, rounds=1, **settings):
    """The model that a run of the Message API ends with, and its fleet."""
    clients = Fleet([message_app(train, [secagg_mod]) for train in trains])
    arrays = record(model) if isinstance(model, dict) else model
    grid = SecAggGrid(clients, 2, **settings)
    return how(**QUIET).start(grid=grid, initial_arrays=arrays, num_rounds=rounds).arrays, clients


def run_legacy(model, trains=(same,) * NODES, how=legacy.FedAvg, rounds=1, **settings):
    """The model that a run of the legacy API ends with, as a list."""
    chosen = how(
        initial_parameters=ndarrays_to_parameters(model), min_fit_clients=NODES, min_available_clients=NODES, fraction_evaluate=0.0
    )  # fmt: skip
    clients = Fleet([legacy_app(train, [secagg_mod]) for train in trains])
    context = legacy_context(chosen, rounds)
    DefaultWorkflow(fit_workflow=SecAggPlusWorkflow(3, 2, **settings))(clients, context)
    return [array.numpy() for array in context.state.array_records["parameters"].values()]


def is_like(found, sent):
    return [(a.dtype, a.shape) for a in found] == [(a.dtype, a.shape) for a in sent]


# --- Types -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["FedAvg", "FedAvgM", "FedProx", "FedAdam"])
@pytest.mark.parametrize("rounds", [1, 2])
def test_the_model_keeps_every_dtype_shape_and_name(how, rounds):
    choice = {"FedProx": lambda **more: strategy.FedProx(proximal_mu=0.1, **more)}.get(how, getattr(strategy, how))
    arrays, _ = run(MODEL, how=choice, rounds=rounds)
    assert list(arrays) == list(MODEL)
    assert is_like(arrays.to_numpy_ndarrays(), MODEL.values())
    for found, sent in zip(arrays.to_numpy_ndarrays(), MODEL.values(), strict=True):
        np.testing.assert_allclose(found.astype(float), sent.astype(float), atol=0.25 if how == "FedAdam" else 2e-3)


@pytest.mark.parametrize("how", ["FedAvg", "FedAvgM", "FedProx", "FedAdam"])
@pytest.mark.parametrize("rounds", [1, 2])
def test_the_model_of_a_legacy_app_keeps_every_dtype_and_shape(how, rounds):
    more = {"FedProx": {"proximal_mu": 0.1}, "FedAdam": {"eta": 1e-3}}.get(how, {})
    model = list(MODEL.values())
    found = run_legacy(model, how=lambda **rest: getattr(legacy, how)(**rest, **more), rounds=rounds)
    assert is_like(found, model)
    for array, sent in zip(found, model, strict=True):
        np.testing.assert_allclose(array.astype(float), sent.astype(float), atol=0.01)


TRAINS = [set_to(i=[3, k // 2 * 1, -3], b=[k < 2, k < 1, True]) for k in range(NODES)]


@pytest.mark.parametrize("weight", [1, 3, 7])
def test_halves_at_the_end_of_their_range_stay_finite(weight):
    full = lambda arrays: ({name: np.full_like(array, 65504) for name, array in arrays.items()}, weight, {})  # noqa: E731
    model = np.zeros(300, "f2")
    found, _ = run({"x": model}, [full] * NODES, clipping_range=1e6)
    legacy_found = run_legacy([model], [full] * NODES, clipping_range=1e6)
    for halves in (found["x"].numpy(), *legacy_found):
        assert halves.dtype == model.dtype and np.isfinite(halves).all()
        np.testing.assert_allclose(halves, 65504, rtol=0.01)


def test_integers_are_averaged_and_bools_follow_the_half():
    """Of the second integer two clients say 0 and two 1: a tie, which goes to the even 0."""
    model = {"i": np.zeros(3, "i8"), "b": np.zeros(3, bool)}
    arrays, _ = run(model, TRAINS)
    assert arrays["i"].numpy().tolist() == [3, 0, -3] and arrays["b"].numpy().tolist() == [True, False, True]
    trains = [lambda arrays, train=train: train({"i": arrays["0"], "b": arrays["1"]}) for train in TRAINS]
    integers, bools = run_legacy(list(model.values()), trains)
    assert integers.tolist() == [3, 0, -3] and bools.tolist() == [True, False, True]


def test_all_that_has_no_mean_is_refused_before_anyone_trains():
    model = {"w": np.zeros(2), "long": np.zeros(2, np.longdouble), "text": np.array(["a"]), "id": np.array(2**60)}
    clients = Fleet([message_app(same, [secagg_mod]) for _ in range(NODES)])
    with pytest.raises(BadArrays, match=r"'long' is of .*'text' is of <U1.*'id' holds .*skip=\[...\]"):
        strategy.FedAvg(**QUIET).start(grid=SecAggGrid(clients, 2), initial_arrays=record(model), num_rounds=1)
    assert not clients.sent
    with pytest.raises(BadArrays, match=r"'1' is of .*'2' is of <U1"):
        run_legacy(list(model.values())[:3])


class Frozen(strategy.FedAvg):
    """Takes no attributes once it is made, and has a method of the instance's own."""

    def __init__(self, **more):
        super().__init__(**more)
        self.aggregate_train = super().aggregate_train
        self.made = True

    def __setattr__(self, name, value):
        assert not hasattr(self, "made"), name
        super().__setattr__(name, value)


def test_a_strategy_is_left_as_it_was():
    chosen = Frozen(**QUIET)
    own = chosen.aggregate_train
    arrays, _ = run({"i": np.array(3)}, how=lambda **_: chosen, rounds=2)
    assert arrays["i"].numpy() == 3 and arrays["i"].numpy().dtype == np.int64
    assert chosen.aggregate_train is own


# --- Arrays that are left alone ----------------------------------------------------------------------

LEFT = {
    "w": np.zeros(2, np.float32),
    "mask": np.tril(np.ones((2, 2), bool)),
    "bn.num_batches_tracked": np.array(2**60 + 1),
    "words": np.array(["a", "bc"]),
    "long": np.ones(2, np.longdouble),
    "z": np.zeros(1),
}
SKIP = ["mask", "*.num_batches_tracked", "words", "lon?"]


@pytest.mark.parametrize("rounds", [1, 3])
def test_skipped_arrays_stay_what_the_server_sent(rounds, caplog):
    moves = [set_to(w=[k, k], z=[1], **{"bn.num_batches_tracked": k}) for k in range(NODES)]
    with caplog.at_level(logging.INFO, logger="flwr"):
        arrays, _ = run(LEFT, moves, rounds=rounds, skip=SKIP)
    assert list(arrays) == list(LEFT)
    for name, sent in LEFT.items():
        found = arrays[name].numpy()
        assert found.dtype == sent.dtype
        if name not in ("w", "z"):
            np.testing.assert_array_equal(found, sent)
    np.testing.assert_allclose(arrays["w"].numpy(), 1.5, atol=ERROR)
    assert "not averaged, as skip says; the server's stay: 'bn.num_batches_tracked'" in caplog.text
    assert "'mask'" not in caplog.text


def test_skipped_arrays_of_a_legacy_app_stay_what_the_server_sent():
    moves = [set_to(**{"0": [k, k], "2": k}) for k in range(NODES)]
    found = run_legacy(list(LEFT.values())[:5], moves, rounds=2, skip=["1", "2", "[34]"])
    assert is_like(found, list(LEFT.values())[:5])
    np.testing.assert_allclose(found[0], 1.5, atol=ERROR)
    for array, sent in zip(found[1:], list(LEFT.values())[1:5], strict=True):
        np.testing.assert_array_equal(array, sent)


@pytest.mark.parametrize("skip", [["masks"], ["*"], ["w", "Mask", "z"]])
def test_patterns_that_match_nothing_or_all_are_refused_before_anyone_trains(skip):
    model = {name: LEFT[name] for name in ("w", "z")}
    with pytest.raises(BadArrays, match="matches no array|skip names all"):
        run(model, skip=skip)
    with pytest.raises(BadArrays, match="matches no array|skip names all"):
        run_legacy(list(model.values()), skip=skip)


@pytest.mark.parametrize("skip", ["mask", [1], [None]])
def test_patterns_are_a_list_of_strings(skip):
    with pytest.raises(TypeError, match="skip"):
        SecAggGrid(Fleet([]), skip=skip)
    with pytest.raises(TypeError, match="skip"):
        SecAggPlusWorkflow(3, 2, skip=skip)


def test_a_client_may_reply_only_what_is_averaged():
    """As LoRA does: the base is sent and never comes back."""
    lora = [lambda arrays, k=k: ({"l.lora_A": arrays["l.lora_A"] + k}, 100, {}) for k in range(NODES)]
    model = {"l.weight": np.ones(2, np.float32), "l.lora_A": np.zeros(2, np.float32)}
    arrays, _ = run(model, lora, skip=["*", "!*lora*"])
    np.testing.assert_array_equal(arrays["l.weight"].numpy(), 1.0)
    np.testing.assert_allclose(arrays["l.lora_A"].numpy(), 1.5, atol=ERROR)
    _, clients = run(model, lora)
    (reason,) = {reply.error.reason for _, _, reply in clients.received if reply.has_error()}
    assert "lacks the arrays 'l.weight'" in reason and "skip=[...]" in reason


# --- Ranges ------------------------------------------------------------------------------------------


def test_each_array_has_its_own_range(caplog):
    model = {"w": np.full(3, 0.5, np.float32), "bn.running_var": np.full(3, 120, np.float32), "n": np.array(391)}
    arrays, _ = run(model, clipping_range={"*.running_var": 1e4, "n": 1000, "*": 1.0})
    np.testing.assert_allclose(arrays["bn.running_var"].numpy(), 120, atol=1e4 / 8 * ERROR)
    np.testing.assert_allclose(arrays["w"].numpy(), 0.5, atol=ERROR / 8 + 1e-6)
    assert arrays["n"].numpy() == 391 and "clipped" not in caplog.text
    arrays, _ = run(model, [set_to(w=[5, -5, 0], n=5000)] * NODES, clipping_range={"n": 1000, "*": 1.0})
    np.testing.assert_allclose(arrays["w"].numpy(), [1.0, -1.0, 0.0], atol=ERROR / 8 + 1e-6)
    assert arrays["n"].numpy() == 1000


def test_each_array_of_a_legacy_app_has_its_own_range():
    model = [np.full(3, 0.5, np.float32), np.full(3, 120, np.float32), np.array(391)]
    found = run_legacy(model, clipping_range={"1": 1e4, "2": 1000})
    np.testing.assert_allclose(found[1], 120, atol=1e4 / 8 * ERROR)
    np.testing.assert_allclose(found[0], 0.5, atol=ERROR)
    assert found[2] == 391


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        ({"w": 0.0}, ValueError), ({"w": float("nan")}, ValueError), ({"w": "8"}, TypeError), ({"w": True}, TypeError), ({1: 8.0}, TypeError),
        ({"*": -1.0}, ValueError), ({"w": 1e30}, ValueError), ({"w": 1.0, "*": 1e20}, ValueError),
    ],
)  # fmt: skip
def test_ranges_that_are_none_are_refused_at_once(bad, error):
    with pytest.raises(error, match="clipping_range"):
        SecAggGrid(Fleet([]), clipping_range=bad)
    with pytest.raises(error, match="clipping_range"):
        SecAggPlusWorkflow(3, 2, clipping_range=bad)


def test_numpys_scalars_are_ranges():
    assert SecAggGrid(Fleet([]), clipping_range={"w": np.float32(2)}).settings.ranges == (("w", 2.0),)


def test_a_range_of_no_array_is_refused():
    with pytest.raises(BadArrays, match=r"clipping_range: '\*\.running_var' matches no array"):
        run({"w": np.zeros(2)}, clipping_range={"*.running_var": 1e4, "*": 8.0})


def test_metrics_keep_their_bounds_beside_ranges_of_arrays():
    clients = Fleet([message_app(lambda a: (a, 100, {"loss": 3.0}), [secagg_mod]) for _ in range(NODES)])
    grid = SecAggGrid(clients, 2, clipping_range={"w": 100.0, "*": 2.0}, metrics={"loss": 10.0})
    result = strategy.FedAvg(**QUIET).start(grid=grid, initial_arrays=record({"w": np.full(2, 50.0)}), num_rounds=1)
    assert result.train_metrics_clientapp[1] == {"loss": pytest.approx(3.0, abs=1e-3)}
    np.testing.assert_allclose(result.arrays["w"].numpy(), 50, atol=100 * ERROR)


@pytest.mark.parametrize("clipping_range", [3e38, 2e38, 1e100])
def test_a_range_that_the_mean_could_not_hold_is_refused_before_anyone_trains(clipping_range):
    clients = Fleet([message_app(same, [secagg_mod]) for _ in range(NODES)])
    grid = SecAggGrid(clients, 2, clipping_range=clipping_range)
    with pytest.raises(Misuse, match=r"clipping_range=.e\+.* 1.7e\+38 at most, or send arrays of float64"):
        strategy.FedAvg(**QUIET).start(grid=grid, initial_arrays=record({"w": np.zeros(2, "f4")}), num_rounds=1)
    assert not clients.sent


@pytest.mark.parametrize(("bound", "clipping_range"), [(1e-300, 1e20), (1e300, 1e-10), (1e-11, 1e8), (1e19, 1.0)])
def test_a_metric_whose_bound_is_too_far_from_the_range_is_refused_at_once(bound, clipping_range):
    for make in (
        lambda **more: SecAggGrid(Fleet([]), **more),
        lambda metrics, **more: SecAggGrid(Fleet([]), evaluate_metrics=metrics, **more),
        lambda **more: SecAggPlusWorkflow(1.0, 0.6, **more),
    ):
        with pytest.raises(ValueError, match="bound of metric 'loss' is .* more than 1e\\+18 times another"):
            make(metrics={"loss": bound}, clipping_range=clipping_range)


def test_a_client_is_told_what_was_clipped_and_which_range_holds_it(caplog):
    with caplog.at_level(logging.WARNING, logger="flwr"):
        run({"w": np.zeros(4, "f4"), "v": np.zeros(3)}, [set_to(w=[1, 36.7, -9, 8], v=[0, 0, -1234])] * NODES)
    assert "'w': 2 of 4 elements are above 8, and 37 would hold them" in caplog.text
    assert "'v': 1 of 3 elements are above 8, and 1300 would hold them" in caplog.text


def test_elements_that_float32_rounds_above_the_range_are_counted(caplog):
    grid = SecAggGrid(Fleet([message_app(set_to(w=[0.1, 0]), [secagg_mod]) for _ in range(NODES)]), 2, clipping_range=0.1)
    strategy.FedAvg(**QUIET).start(grid=grid, initial_arrays=record({"w": np.zeros(2, "f4")}), num_rounds=1)
    assert grid.last_round.clipped == NODES
    assert "'w': 1 of 2 elements are above 0.1, and 0.11 would hold them" in caplog.text


def test_numbers_near_the_largest_are_clipped_and_counted(caplog):
    model = {"w": np.zeros(3, "f4"), "v": np.zeros(3, "f8")}
    far = set_to(w=[3e38, -3e38, 0], v=[1.7e308, 0, 0])
    settings = {"clipping_range": {"?": 1e-9, "*": 1e6}, "modulus_range": 2**48}
    grid = SecAggGrid(Fleet([message_app(far, [secagg_mod]) for _ in range(NODES)]), 2, **settings)
    arrays = strategy.FedAvg(**QUIET).start(grid=grid, initial_arrays=record(model), num_rounds=1).arrays
    np.testing.assert_allclose(arrays["w"].numpy(), [1e-9, -1e-9, 0], rtol=1e-4)
    assert grid.last_round.clipped == NODES and "'v': 1 of 3 elements are above 1e-09" in caplog.text


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_each_range_keeps_its_share_of_the_bound(dtype):
    """The modulus is so large that the bound is hardly more than one rounding, which is a coarse one just above 4."""
    random, shape = np.random.default_rng(3), (NODES, 4000)
    values = {"w": random.uniform(-4.1, 4.1, shape).astype(dtype), "v": random.uniform(7950, 8100, shape).astype(dtype)}
    moves = [set_to(**{name: array[k] for name, array in values.items()}) for k in range(NODES)]
    clients = Fleet([message_app(lambda a, move=move: (*move(a)[:2], {"loss": 0.7}), [secagg_mod]) for move in moves])
    settings = {"clipping_range": {"v": 8100.0, "*": 4.1}, "modulus_range": 2**64, "metrics": {"loss": 1.0}}
    grid = SecAggGrid(clients, 2, **settings)
    content = RecordDict({"arrays": record({name: array[0] for name, array in values.items()})})
    reply = next(iter(grid.send_and_receive([Message(content, node, "train") for node in clients.apps])))
    bound = grid.last_round.error_bound
    for name, limit in (("w", 4.1), ("v", 8100.0)):
        array, exact = reply.content["arrays"][name].numpy(), values[name].astype(float).mean(axis=0)
        rounding = np.spacing(np.abs(array)) / 2
        assert (np.abs(array.astype(float) - exact) <= bound * limit / 4.1 + rounding).all()
    assert abs(reply.content["metrics"]["loss"] - 0.7) <= bound / 4.1 + np.spacing(0.7)


def test_what_is_not_finite_is_named_and_no_range_is_advised(caplog):
    with caplog.at_level(logging.WARNING, logger="flwr"):
        run({"w": np.zeros(2), "v": np.zeros(2)}, [set_to(w=[1, np.inf], v=[np.nan, 0])] + [same] * 3)
    assert "not finite, in 'w', 'v'" in caplog.text and "would hold" not in caplog.text
    clients = Fleet([message_app(lambda a: (a, 100, {"loss": np.nan}), [secagg_mod]) for _ in range(NODES)])
    grid = SecAggGrid(clients, 2, metrics=["loss"])
    strategy.FedAvg(**QUIET).start(grid=grid, initial_arrays=record({"w": np.zeros(2)}), num_rounds=1)
    assert "not finite, in metric 'loss'" in grid.last_round.failures[101]


@pytest.mark.parametrize("how", ["messages", "legacy"])
def test_arrays_that_are_no_more_than_error_are_named(how, caplog):
    model = {
        "0": np.full(200, 0.01, "f4"), "1": np.full(4, 391), "2": np.ones(4, bool), "3": np.zeros(4, "f4"),
        "4": np.ones(4, "f4"), "5": np.zeros((0, 2), "f4"),
    }  # fmt: skip
    clipping_range = {"0": 1e4, "1": 1e8, "2": 1e8, "3": 1e8, "*": 8.0}
    with caplog.at_level(logging.WARNING, "flwr"):
        if how == "messages":
            run(model, clipping_range=clipping_range, quantization_range=2**22)
        else:
            run_legacy(list(model.values()), clipping_range=clipping_range)
    (line,) = [record.getMessage() for record in caplog.records if "imprecise in some" in record.getMessage()]
    assert "'0' may be off by 0." in line and "largest element is 0.0" in line
    assert "'1' holds integers, which may be off by" in line and "'2' holds bools, which may be off by" in line
    assert not any(name in line for name in ("'3'", "'4'", "'5'"))
    (zeros,) = [record.getMessage() for record in caplog.records if "all zeros" in record.getMessage()]
    assert "'3' (" in zeros and not any(name in zeros for name in ("'0'", "'1'", "'2'", "'4'", "'5'"))
    for remedy in ("clipping_range of their own", "lower max_weight", "raise modulus_range", "skip"):
        assert remedy in line and remedy in zeros


@pytest.mark.parametrize("how", ["messages", "legacy"])
def test_an_array_that_is_lost_beside_a_large_one_is_named_with_what_it_may_have_held(how, caplog):
    model = {"0": np.ones(50, "f4"), "1": np.full(50, 1e-12, "f4"), "2": np.zeros(50, "f4"), "3": np.zeros(3, "i4")}
    with caplog.at_level(logging.WARNING, "flwr"):
        if how == "messages":
            mean, _ = run(model)
            assert not any(mean[name].numpy().any() for name in "123")
        else:
            assert not run_legacy(list(model.values()))[1].any()
    (line,) = [record.getMessage() for record in caplog.records if "all zeros" in record.getMessage()]
    lost = [float(number) for number in re.findall(r"'[12]' \(([^)]+)\)", line)]
    assert len(lost) == 2 and all(1e-12 < bound < 1e-3 for bound in lost)
    assert "'0'" not in line and "'3'" not in line
    caplog.clear()
    with caplog.at_level(logging.WARNING, "flwr"):
        run({"0": np.zeros(50, "f4"), "1": np.zeros(50, "f4")})
    assert "all zeros" not in caplog.text and "all elements of the mean are 0" in caplog.text


def test_a_warning_names_few_of_many_arrays_and_precise_ones_none(caplog):
    model = {f"w{k}": np.full(50, 0.01, "f4") for k in range(9)}
    run(model, clipping_range={"w*": 1e4}, quantization_range=2**22)
    assert "'w4' may be off" in caplog.text and "'w5' may be off" not in caplog.text
    assert "; and 4 arrays more" in caplog.text
    caplog.clear()
    run({"w": np.full(50, 0.5, "f4"), "n": np.full(2, 7), "b": np.ones(2, bool)})
    assert "imprecise" not in caplog.text


# --- Several records ---------------------------------------------------------------------------------


class Scaffold(strategy.FedAvg):
    """Sends control variates beside the model, and keeps what comes back."""

    def configure_train(self, server_round, arrays, config, grid):
        for message in super().configure_train(server_round, arrays, config, grid):
            content = {**message.content, "delta_c": record({"w": np.ones(2), "n": np.zeros(1, "i4")})}
            yield Message(RecordDict(content), message.metadata.dst_node_id, "train")

    def aggregate_train(self, server_round, replies):
        self.replies = [reply for reply in replies if reply.has_content()]
        if not self.replies:
            return None, None
        return self.replies[0].content["arrays"], None


def scaffold_app(step, names=("arrays", "delta_c")):
    app = ClientApp(mods=[secagg_mod])

    @app.train()
    def _train(message, context):
        records = {
            name: record({key: array + array.dtype.type(step) for key, array in zip(sent, sent.to_numpy_ndarrays(), strict=True)})
            for name, sent in zip(names, message.content.array_records.values(), strict=True)
        }
        return Message(RecordDict({**records, "metrics": MetricRecord({"num-examples": 100})}), reply_to=message)

    return app


def test_several_records_are_averaged_each_by_its_name():
    chosen = Scaffold(**QUIET)
    clients = Fleet([scaffold_app(k) for k in range(NODES)])
    grid = SecAggGrid(clients, 2, skip=["delta_c/n"])
    result = chosen.start(grid=grid, initial_arrays=record({"w": np.zeros(2, "f4")}), num_rounds=1)
    np.testing.assert_allclose(result.arrays["w"].numpy(), 1.5, atol=ERROR)
    for reply in chosen.replies:
        assert list(reply.content.array_records) == ["arrays", "delta_c"]
        np.testing.assert_allclose(reply.content["delta_c"]["w"].numpy(), 2.5, atol=ERROR)
        assert reply.content["delta_c"]["n"].numpy().tolist() == [0]


@pytest.mark.parametrize("dtype", ["i8", "f2", "?"])
def test_arrays_of_one_name_keep_the_types_of_their_own_records(dtype):
    class Counting(Scaffold):
        def configure_train(self, *args):
            for message in super().configure_train(*args):
                message.content["delta_c"] = record({"w": np.zeros(2, dtype)})
                yield message

    app = ClientApp(mods=[secagg_mod])

    @app.train()
    def _train(message, context):
        content = {"arrays": record({"w": np.full(2, 0.2345, "f4")}), "delta_c": message.content["delta_c"]}
        return Message(RecordDict({**content, "metrics": MetricRecord({"num-examples": 1000})}), reply_to=message)

    grid = SecAggGrid(Fleet([app] * NODES), 2)
    arrays = record({"w": np.zeros(2, "f4")})
    result = Counting(**QUIET).start(grid=grid, initial_arrays=arrays, num_rounds=2).arrays
    assert result["w"].dtype == "float32"
    np.testing.assert_allclose(result["w"].numpy(), 0.2345, atol=1e-5)


def test_a_record_that_was_not_sent_is_refused_by_name():
    clients = Fleet([scaffold_app(1, ("arrays", "other")) for _ in range(NODES)])
    grid = SecAggGrid(clients, 2)
    Scaffold(**QUIET).start(grid=grid, initial_arrays=record({"w": np.zeros(2, "f4")}), num_rounds=1)
    assert "lacks the arrays 'delta_c/w', 'delta_c/n'" in grid.last_round.failures[101]
    assert "has the arrays 'other/w', 'other/n', which" in grid.last_round.failures[101]
