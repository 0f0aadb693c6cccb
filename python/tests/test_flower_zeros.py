"""Zero is exact: dead channels, sparse arrays and variances near zero survive a secure round, under both APIs."""

import numpy as np
import pytest
from test_flower_arrays import run, run_legacy

SMALL_WEIGHTS = [1, 2, 20, 100]


def moved(weight, **values):
    return lambda arrays: ({**arrays, **{name: np.asarray(value, arrays[name].dtype) for name, value in values.items()}}, weight, {})


def means(how, model, values):
    """The mean of these values by clients whose weights are far below the largest."""
    trains = [moved(weight, **values) for weight in SMALL_WEIGHTS]
    if how == "legacy":
        return run_legacy(list(model.values()), trains)
    arrays, _ = run(model, trains)
    return arrays.to_numpy_ndarrays()


@pytest.mark.parametrize("how", ["legacy", "messages"])
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_zeros_stay_zeros_and_batch_norm_behind_them_has_no_nan(how, dtype):
    model = {"0": np.ones(1000, dtype), "1": np.ones(1000, dtype), "2": np.ones(8, dtype)}
    zero, tiny, _ = means(how, model, {"0": np.zeros(1000), "1": np.full(1000, 1e-6), "2": np.linspace(-8, 8, 8)})
    assert not zero.any()
    assert (tiny >= 0).all(), "a mean of values from zero on has no negative element"
    with np.errstate(all="raise"):
        for variance in (zero, tiny):
            assert np.isfinite(1 / np.sqrt(variance.astype("f8") + 1e-5)).all()


@pytest.mark.parametrize("how", ["legacy", "messages"])
def test_a_sparse_array_keeps_its_zeros_and_its_signs(how):
    pattern = np.tile([0, 0, 1e-3, -1e-3, 0], 200)
    model = {"0": np.zeros(1000, "f4"), "1": np.zeros(1, "f4")}
    found, _ = means(how, model, {"0": pattern, "1": [8]})
    assert not found[pattern == 0].any()
    assert (found[pattern > 0] >= 0).all() and (found[pattern < 0] <= 0).all()
