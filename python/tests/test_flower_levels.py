"""How the room of a modulus is divided between levels and weights, and that means are more exact for it."""

import numpy as np
import pytest
from fleet import Fleet, act_as_server, legacy_app, legacy_context
from flwr.client.mod import secaggplus_mod as flowers_mod
from flwr.common import ndarrays_to_parameters
from flwr.server.strategy import FedAvg
from flwr.server.workflow import DefaultWorkflow
from flwr.server.workflow import SecAggPlusWorkflow as FlowersOwn
from secagg import Misuse
from secagg.flower import SecAggPlusWorkflow, secaggplus_mod
from secagg.flower.settings import Settings
from test_flower_numbers import PAGE

FLOWERS = 2**22


def of(cohort, **settings):
    return Settings(1.0, 2 / 3, **settings).params(cohort, 10)


def finer(params, asked=FLOWERS, max_weight=1000.0):
    """How many times as many levels an update of `max_weight` has as were asked for."""
    return (params.quantization_range - 1) / (asked - 1) * max_weight / params.max_weight


@pytest.mark.skipif(not PAGE.exists(), reason="a source distribution has no page")
def test_the_table_of_the_page():
    lines = PAGE.read_text().split("### Weights")[1].split("\n## ")[0].splitlines()
    sizes, levels, weights, auto = ([cell.strip() for cell in line.split("|")[2:-1]] for line in lines if line.startswith("| ") and "---" not in line)
    for place, cohort in enumerate(int(size.replace(",", "")) for size in sizes):
        params = of(cohort)
        assert int(levels[place]) == int(finer(params))
        assert float(weights[place].replace(",", "")) == params.max_weight
        assert float(auto[place].replace(",", "")) == of(cohort, quantization_range="auto").max_weight


@pytest.mark.parametrize("cohort", [3, 4, 15, 50, 63, 64, 100, 255, 256, 341, 512])
@pytest.mark.parametrize("modulus", [2**32, 2**33, 2**40, 2**64])
@pytest.mark.parametrize("asked", [FLOWERS, 2**16, 1000, 7, "auto"])
def test_there_are_at_least_twice_the_levels_where_there_is_room(cohort, modulus, asked):
    params = of(cohort, quantization_range=asked, modulus_range=modulus)
    assert cohort * (params.quantization_range - 1) < modulus
    assert params.max_weight >= 1000.0
    room = (modulus - 1) // cohort // ((FLOWERS if asked == "auto" else asked) - 1)
    assert finer(params, FLOWERS if asked == "auto" else asked) >= (4 if room >= 16 else 2)


@pytest.mark.parametrize("cohort", [513, 1000, 1024])
def test_without_room_the_numbers_are_those_that_were_asked_for(cohort):
    params = of(cohort)
    assert (params.quantization_range, params.max_weight) == (FLOWERS, 1000.0)


def test_too_many_clients_are_refused_as_before():
    with pytest.raises(Misuse, match="1025"):
        of(1025)


def mean_error(workflow, mod, weight):
    """The largest error of a mean of four clients, where each is given the parameters by position as in Flower."""
    act_as_server()
    updates = [np.random.default_rng(seed).normal(0, 0.05, 2000).astype(np.float32) for seed in range(4)]

    def trained(update):
        return lambda arrays: ({"0": update}, weight, {})

    strategy = FedAvg(
        initial_parameters=ndarrays_to_parameters([np.zeros(2000, np.float32)]),
        min_fit_clients=4, min_available_clients=4, fraction_evaluate=0.0,
    )  # fmt: skip
    context = legacy_context(strategy)
    clients = Fleet([legacy_app(trained(update), [mod]) for update in updates])
    DefaultWorkflow(fit_workflow=workflow(3, 2, max_weight=1000))(clients, context)
    (found,) = [array.numpy() for array in context.state.array_records["parameters"].values()]
    return float(np.abs(found - np.mean(updates, axis=0, dtype=np.float64)).max())


@pytest.mark.parametrize("weight", [600, 50])
def test_a_mean_is_more_exact_than_that_of_flowers_own(weight):
    assert mean_error(SecAggPlusWorkflow, secaggplus_mod, weight) < mean_error(FlowersOwn, flowers_mod, weight) / 2
