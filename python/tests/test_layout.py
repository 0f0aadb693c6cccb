"""Named arrays as one vector and back: which dtypes come back, and how."""

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord
from secagg.flower.layout import Layout, as_floats

DTYPES = ["f2", "f4", "f8", ">f4", ">f8", "i1", "i2", "i4", "i8", ">i4", "u1", "u2", "u4", "u8", "?"]


def record(**arrays):
    return ArrayRecord({name: Array(np.asarray(array)) for name, array in arrays.items()})


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_strategy_may_average_in_place_what_it_is_handed(dtype):
    """Thirds of a whole, added up: what an average in the dtype of an integer makes 0."""
    model = {"many": np.ones((2, 3), dtype, order="F"), "one": np.ones((), dtype), "none": np.ones((0, 2), dtype)}
    sent = record(**model)
    layout = Layout(tuple(model), (np.dtype(dtype),) * 3, tuple(array.shape for array in model.values()))
    floats = {name: array.numpy() for name, array in as_floats(sent).items()}
    assert all(array.dtype.kind == "f" for array in floats.values())
    averaged = {name: sum(array * array.dtype.type(1 / 3) for _ in range(3)) for name, array in floats.items()}
    back = layout.cast_back(record(**averaged))
    for name, array in model.items():
        found = back[name].numpy()
        assert (found.dtype, found.shape) == (array.dtype, array.shape)
        np.testing.assert_allclose(found.astype(float), 1.0, rtol=1e-3)


def test_integers_are_rounded_to_the_nearest_and_a_bool_is_true_from_one_half_on():
    layout = Layout(("i", "b"), (np.dtype("i4"), np.dtype("?")), ((5,), (3,)))
    back = layout.cast_back(record(i=[0.5, 1.5, 2.4, 2.6, -1.5], b=[0.25, 0.5, 1.0], other=[0.5]))
    assert back["i"].numpy().tolist() == [0, 2, 2, 3, -2]
    assert back["b"].numpy().tolist() == [False, True, True]
    assert back["other"].numpy().tolist() == [0.5]


def test_what_is_not_finite_is_not_cast():
    layout = Layout(("i",), (np.dtype("i4"),), ((1,),))
    assert np.isnan(layout.cast_back(record(i=[np.nan]))["i"].numpy())
