"""The model that a legacy run ends with, for every dtype and shape, under Flower's own strategies."""

import numpy as np
import pytest
from fleet import Fleet, legacy_app, legacy_context
from flwr.common import ndarrays_to_parameters
from flwr.server.strategy import FedAdam, FedAvg, FedAvgM, FedProx
from flwr.server.workflow import DefaultWorkflow
from secagg.flower import SecAggPlusWorkflow, SecAggWorkflow, secagg_mod

FLOATS = ["f2", "f4", "f8", ">f4"]
INTEGERS = ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", ">i4"]
SHAPES = {
    "vector": lambda dtype: np.ones(4, dtype),
    "no axes": lambda dtype: np.array(1, dtype),
    "empty": lambda dtype: np.ones((0, 3), dtype),
    "Fortran": lambda dtype: np.asfortranarray(np.arange(6).reshape(2, 3) % 2, dtype=dtype),
}
STRATEGIES = {
    "FedAvg": (FedAvg, {}),
    "FedAvg, not in place": (FedAvg, {"inplace": False}),
    "FedAvgM": (FedAvgM, {}),
    "FedAvgM with momentum": (FedAvgM, {"server_learning_rate": 0.5, "server_momentum": 0.9}),
    "FedProx": (FedProx, {"proximal_mu": 0.1}),
    "FedAdam": (FedAdam, {"eta": 0.19 / 0.0199**0.5}),
}


def end(model, train, strategy="FedAvg", *, clients=4, rounds=1, workflow=None):
    """The model after a run in which each client trains by a function of the model's arrays and its place."""
    kind, settings = STRATEGIES[strategy]
    context = legacy_context(
        kind(
            initial_parameters=ndarrays_to_parameters(model), min_fit_clients=clients,
            min_available_clients=clients, fraction_evaluate=0.0, **settings,
        ),
        rounds,
    )  # fmt: skip

    def trained(place):
        return lambda arrays: ({k: train(a, place) for k, a in arrays.items()}, 10, {})

    apps = [legacy_app(trained(place), [secagg_mod]) for place in range(clients)]
    DefaultWorkflow(fit_workflow=workflow or SecAggWorkflow(0.6))(Fleet(apps), context)
    return [array.numpy() for array in context.state.array_records["parameters"].values()]


def plus(step):
    return lambda array, place: np.asarray(array + array.dtype.type(step), array.dtype)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS])
def test_types_shapes_and_values_come_back(dtype, shape, strategy):
    """A step of 2: FedAdam, by its rate, makes one of 1 in its first round, and half the learning rate too."""
    start, other = SHAPES[shape](dtype), np.zeros(2, np.float32)
    found, floats = end([start, other], plus(2), strategy)
    step = {"FedAdam": 1, "FedAvgM with momentum": 1}.get(strategy, 2)
    assert found.dtype == start.dtype and found.shape == start.shape
    np.testing.assert_allclose(found, start + start.dtype.type(step), atol=2e-3 if found.dtype.kind == "f" else 0)
    np.testing.assert_allclose(floats, step, atol=1e-3)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_bool_that_all_agree_on_stays(shape, strategy):
    start = SHAPES[shape](bool)
    found, _ = end([start, np.zeros(2, np.float32)], lambda array, place: array, strategy)
    assert found.dtype == bool
    np.testing.assert_array_equal(found, start)


def test_a_bool_is_true_from_one_half_on():
    """Of four clients, none to all say yes. Half of them is decided by the last bit of a rounding."""
    found, _ = end(
        [np.zeros(5, bool), np.zeros(2, np.float32)],
        lambda array, place: np.arange(5) > place if array.dtype == bool else array,
    )
    np.testing.assert_array_equal(found[[0, 1, 3, 4]], [False, False, True, True])


@pytest.mark.parametrize("dtype", INTEGERS)
def test_a_mean_of_integers_is_rounded_to_the_nearest(dtype):
    found, _ = end(
        [np.zeros(3, dtype), np.zeros(3, np.float32)],
        lambda array, place: np.array([[1, 2, 3], [1, 3, 4], [2, 3, 3]][place], array.dtype),
        clients=3,
    )
    np.testing.assert_array_equal(found, [1, 3, 3])


@pytest.mark.parametrize("dtype", ["i1", "i8"])
def test_negative_integers_too(dtype):
    found, _ = end([np.zeros(3, dtype), np.zeros(1, np.float32)], plus(-3))
    np.testing.assert_array_equal(found, [-3, -3, -3])


def test_what_is_a_whole_number_for_a_client_is_one_in_every_round():
    """A counter such as num_batches_tracked, for as long as it is below the clipping range."""
    workflow = SecAggPlusWorkflow(3, 2, clipping_range=1000.0)
    found, _ = end([np.array(0, np.int64), np.zeros(2, np.float32)], plus(7), rounds=3, workflow=workflow)
    assert found == 21


def test_half_floats_that_do_not_move_stay_finite_under_adam():
    """The square root of a small float16's square is 0, and so is Adam's tau of 1e-9."""
    found, _ = end([np.ones(8, np.float16), np.zeros(2, np.float32)], plus(0), "FedAdam")
    np.testing.assert_allclose(found, 1, atol=1e-2)


def test_a_strategy_that_gives_other_arrays_keeps_them():
    class Wider(FedAvg):
        def aggregate_fit(self, server_round, results, failures):
            return ndarrays_to_parameters([np.arange(2, dtype=np.int16)]), {}

    STRATEGIES["Wider"] = (Wider, {})
    try:
        (found,) = end([np.ones(3, np.float32), np.ones(1, np.float32)], plus(0), "Wider")
    finally:
        del STRATEGIES["Wider"]
    np.testing.assert_array_equal(found, np.arange(2, dtype=np.int16))
