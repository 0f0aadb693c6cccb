"""Named arrays as one vector and back: which are taken, and how they come back."""

from dataclasses import replace

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord
from secagg.flower import BadArrays
from secagg.flower.layout import Layout, as_floats
from secagg.flower.ranges import factor
from secagg.flower.terms import Terms

DTYPES = ["f2", "f4", "f8", ">f4", ">f8", "i1", "i2", "i4", "i8", ">i4", "u1", "u2", "u4", "u8", "?"]


def record(**arrays):
    return ArrayRecord({name: Array(np.asarray(array)) for name, array in arrays.items()})


def layout_of(skip=(), ranges=(), **arrays):
    return Layout.of({"arrays": record(**arrays)}, skip, ranges)


def back_and_forth(layout, reply, clipping_range=8.0, **more):
    vector = layout.flatten({"arrays": reply}, clipping_range)
    return layout.unflatten(vector, clipping_range, **more)["arrays"].to_numpy_ndarrays()


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes_shapes_and_order_come_back(dtype):
    model = {"z": np.ones((2, 3), dtype, order="F"), "a": np.ones((), dtype), "m": np.ones((0, 2), dtype)}
    sent = record(**model)
    layout = Layout.of({"arrays": sent})
    records = layout.unflatten(layout.flatten({"arrays": sent}, 8.0), 8.0)
    assert list(records["arrays"]) == list(model)
    for name, array in model.items():
        found = records["arrays"][name].numpy()
        assert (found.dtype, found.shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize(("narrow", "wide"), [("f2", "f4"), ("f2", "f8"), ("f4", "f8"), (">f2", "f8")])
def test_floats_that_their_type_is_too_narrow_for_are_its_largest(narrow, wide):
    most = np.finfo(narrow).max
    beyond = np.array([float(most) * 1.0005, -float(most) * 10, 0.5], wide)
    expected = [float(most), -float(most), 0.5]
    layout = layout_of(x=np.zeros(3, narrow))
    for back in (layout.cast_back(record(x=beyond)), layout.unflatten(beyond, 1e39)["arrays"]):
        assert back["x"].numpy().tolist() == expected and back["x"].dtype == str(np.dtype(narrow))


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_strategy_may_average_in_place_what_it_is_handed(dtype):
    """Thirds of a whole, added up: what an average in the dtype of an integer makes 0."""
    model = {"many": np.ones((2, 3), dtype), "one": np.ones((), dtype), "none": np.ones((0, 2), dtype)}
    floats = {name: array.numpy() for name, array in as_floats(record(**model)).items()}
    assert all(array.dtype.kind == "f" for array in floats.values())
    averaged = {name: sum(array * array.dtype.type(1 / 3) for _ in range(3)) for name, array in floats.items()}
    back = layout_of(**model).cast_back(record(**averaged))
    for name, array in model.items():
        found = back[name].numpy()
        assert (found.dtype, found.shape) == (array.dtype, array.shape)
        np.testing.assert_allclose(found.astype(float), 1.0, rtol=1e-3)


def test_integers_are_rounded_to_the_nearest_and_a_bool_is_true_from_one_half_on():
    layout = layout_of(i=np.zeros(5, "i4"), b=np.zeros(3, bool))
    back = layout.cast_back(record(i=[0.5, 1.5, 2.4, 2.6, -1.5], b=[0.25, 0.5, 1.0], other=[0.5]))
    assert back["i"].numpy().tolist() == [0, 2, 2, 3, -2]
    assert back["b"].numpy().tolist() == [False, True, True]
    assert back["other"].numpy().tolist() == [0.5]


def test_a_tie_is_one_within_the_error_of_the_mean():
    layout = layout_of(i=np.zeros(4, "i4"), b=np.zeros(2, bool))
    mean = np.array([0.5001, 1.4999, 2.5001, 2.6, 0.4999, 0.49], np.float32)
    exact = layout.unflatten(mean, 8.0)["arrays"].to_numpy_ndarrays()
    assert [array.tolist() for array in exact] == [[1, 1, 3, 3], [False, False]]
    near = layout.unflatten(mean, 8.0, 1e-3)["arrays"].to_numpy_ndarrays()
    assert [array.tolist() for array in near] == [[0, 2, 2, 3], [True, False]]


@pytest.mark.parametrize("error", [0.1, 0.2, 100.0])
def test_a_bound_is_not_taken_for_the_error(error):
    layout = layout_of(i=np.zeros(4, "i4"), b=np.zeros(3, bool))
    mean = np.array([3.4, 3.6, -0.6, 0.4, 0.3, 0.49, 0.5], np.float32)
    integers, bools = layout.unflatten(mean, 8.0, error)["arrays"].to_numpy_ndarrays()
    assert integers.tolist() == [3, 4, -1, 0] and bools.tolist() == [False, False, True]


def test_what_is_not_finite_is_not_cast():
    assert np.isnan(layout_of(i=np.zeros(1, "i4")).cast_back(record(i=[np.nan]))["i"].numpy())


@pytest.mark.parametrize("dtype", [np.int64, np.uint64])
def test_integers_are_exact_up_to_where_floats_are(dtype):
    largest = np.full(2, 2**53, dtype)
    layout = layout_of(i=largest)
    (found,) = back_and_forth(layout, record(i=largest), 2.0**53)
    np.testing.assert_array_equal(found, largest)
    with pytest.raises(BadArrays, match=r"'i' holds integers beyond 2\*\*53"):
        layout.flatten({"arrays": record(i=largest + dtype(1))}, 2.0**53)


def test_all_that_has_no_mean_is_named_at_once():
    model = {
        "good": np.zeros(2), "complex": np.zeros(2, complex), "text": np.array(["a"]), "long": np.zeros(2, np.longdouble),
        "structured": np.zeros(2, "i4,f4"), "id": np.array(2**60), "date": np.array(["2026-11-29"], "M8[D]"),
    }  # fmt: skip
    arrays = record(**model)
    arrays["torch"] = Array(dtype="", shape=(), stype="torch.Tensor", data=b"")
    with pytest.raises(BadArrays) as refused:
        Layout.of({"arrays": arrays}, ["missing"], (("nothing.*", 2.0),))
    for name in ["complex", "text", "long", "structured", "id", "date", "torch", "missing", "nothing.*"]:
        assert repr(name) in str(refused.value)
    assert "'good'" not in str(refused.value) and "skip=[...]" in str(refused.value)
    layout = Layout.of({"arrays": arrays}, [*list(model)[1:], "torch"])
    assert layout.dimension == 2 and list(layout.unflatten(np.zeros(2), 8.0)["arrays"]) == list(arrays)


def test_patterns_skip_and_except():
    model = {"l.weight": [1.0], "l.lora_A": [2.0], "bn.running_var": [3.0]}
    for skip, kept in [
        (["bn.*"], ["l.weight", "l.lora_A"]),
        (["*", "!*lora*"], ["l.lora_A"]),
        (["arrays/l.*"], ["bn.running_var"]),
        (["l.weight", "l.lora_A"], ["bn.running_var"]),
    ]:
        assert [part.name for part in layout_of(skip, **model).parts] == kept
    with pytest.raises(BadArrays, match="skip names all arrays"):
        layout_of(["*"], **model)
    with pytest.raises(BadArrays, match=r"skip: 'L\.\*' matches no array"):
        layout_of(["L.*", "bn.*"], **model)


def test_a_name_with_brackets_is_its_own_pattern():
    (part,) = layout_of(["conv[0]"], **{"conv[0]": [1.0], "conv1": [2.0]}).parts
    assert part.name == "conv1"


def test_ranges_are_by_the_first_pattern_that_matches():
    model = {"a": [100.0, -1e9, 5.0], "b": [7.0, 9.0, 0.0]}
    layout = layout_of((), (("a", 1000.0), ("?", 8.0)), **model)
    vector = layout.flatten({"arrays": record(**model)}, 8.0)
    found = layout.unflatten(np.clip(vector, -8.0, 8.0), 8.0)["arrays"].to_numpy_ndarrays()
    np.testing.assert_allclose(found, [[100.0, -1000.0, 5.0], [7.0, 8.0, 0.0]], rtol=1e-6)
    assert found[0].min() >= -1000.0 and found[1][2] == 0.0
    with pytest.raises(BadArrays, match="'a' matches no array that skip and earlier patterns leave"):
        layout_of((), (("?", 8.0), ("a", 1000.0)), **model)


def test_an_array_within_its_range_is_never_clipped_by_rounding():
    random = np.random.default_rng(1)
    for bound, limit in np.exp(random.uniform(-20, 20, (1000, 2))):
        assert bound * factor(limit, bound) <= limit


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
@pytest.mark.parametrize(("bound", "limit"), [(1e4, 8.0), (0.3, 7.0), (1e-3, 8.0), (100.0, 0.7)])
def test_scaling_adds_no_error_but_the_rounding_to_the_dtype(dtype, bound, limit):
    values = np.random.default_rng(1).uniform(-bound, bound, 5000).astype(dtype)
    values = values.clip(-np.nextafter(dtype_of(bound, dtype), dtype_of(0, dtype)), dtype_of(bound, dtype))
    layout = layout_of((), (("w", bound),), w=values)
    vector = layout.flatten({"arrays": record(w=values)}, limit)
    exact = values.astype(np.longdouble) * (np.longdouble(limit) / np.longdouble(bound))
    assert (np.abs(vector - exact) <= 2.0**-51 * np.abs(exact)).all()
    (found,) = back_and_forth(layout, record(w=values), limit)
    np.testing.assert_allclose(found.astype(float), values.astype(float), rtol=0 if dtype != "f8" else 2.0**-50)


def dtype_of(number, dtype):
    return np.dtype(dtype).type(number)


def test_numbers_behind_the_arrays_are_not_rounded():
    layout = layout_of(w=np.zeros(2, np.float32))
    assert layout.flatten({"arrays": record(w=np.zeros(2, np.float32))}, 8.0, [0.1, 1e300])[2:].tolist() == [0.1, 1e300]
    assert (layout.vector_dtype(), layout.vector_dtype(2)) == (np.float32, np.float64)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_scaling_keeps_finite_numbers_finite_and_beyond_the_range(dtype):
    """They are clipped, and no number of the mean is beyond its type."""
    largest = np.finfo(dtype).max
    values = np.array([largest, -largest, 0.0, np.inf, np.nan], dtype)
    vector = layout_of((), (("w", 1e-9),), w=values).flatten({"arrays": record(w=values)}, 1e6)
    assert vector[0] > 1e6 and vector[1] < -1e6 and vector[2] == 0.0
    assert np.isfinite(vector).tolist() == [True, True, True, False, False]
    layout = layout_of((), (("w", 1e306),), w=values)
    with np.errstate(all="raise"):
        (mean,) = layout.unflatten(np.array([8.0, -8.0, 0.0, 1.0, 1.0]), 1e289)["arrays"].to_numpy_ndarrays()
    assert np.isfinite(mean).all()


def test_a_reply_may_lack_what_is_skipped_but_not_where_names_are_places():
    sent = dict(lora=[1.0], base=[2.0])
    vector = layout_of(["base"], **sent).flatten({"other name": record(lora=[3.0])}, 8.0)
    assert vector.tolist() == [3.0]
    with pytest.raises(BadArrays, match=r"lacks the arrays 'base' .*skip=\[...\]"):
        layout_of(**sent).flatten({"arrays": record(lora=[3.0])}, 8.0)
    with pytest.raises(BadArrays, match="has the arrays 'head', which"):
        layout_of(**sent).flatten({"arrays": record(lora=[3.0], base=[1.0], head=[1.0])}, 8.0)
    listed = layout_of(["0"], **{"0": [1.0], "1": [2.0]})
    with pytest.raises(BadArrays, match="lacks the arrays '1'"):
        listed.flatten({"arrays": record(**{"0": [5.0]})}, 8.0)


def test_records_are_told_apart_by_their_names():
    sent = {"arrays": record(w=[1.0], b=[2.0]), "delta_c": record(w=[3.0], n=np.array([4]))}
    layout = Layout.of(sent, ["arrays/b"])
    vector = layout.flatten(dict(reversed(sent.items())), 8.0)
    assert vector.tolist() == [1.0, 3.0, 4.0]
    back = layout.unflatten(vector, 8.0)
    assert {name: list(record) for name, record in back.items()} == {"arrays": ["w", "b"], "delta_c": ["w", "n"]}
    with pytest.raises(BadArrays, match="lacks the arrays 'delta_c/w', 'delta_c/n'"):
        layout.flatten({"arrays": sent["arrays"]}, 8.0)


def test_a_result_has_the_types_and_skipped_arrays_of_its_own_record():
    sent = {"a": record(w=np.zeros(1, "f4"), n=[1]), "b": record(w=np.zeros(1, "i8"), n=[2], x=np.zeros(1, "f4"))}
    layout = Layout.of(sent, ["*/n"])
    result = record(w=[0.25], n=[9.0], x=[0.5])
    for of, w, n in [("a", 0.25, 1), ("b", 0, 2), (None, 0.25, 9), ("other", 0.25, 9)]:
        back = layout.cast_back(result, of)
        assert [array.numpy().tolist() for array in back.values()] == [[w], [n], [0.5]]
        assert back["w"].dtype == {"a": "float32", "b": "int64"}.get(of, "float64")
        assert back["x"].dtype == "float32"


def test_terms_are_equal_as_bytes_and_come_back():
    terms = Terms("ab", 7, 3, "n", {"loss": 2.0}, skip=("a", "*.b"), ranges=(("c", 3.0), ("*.d", 4.0)))
    assert Terms.decode(terms.encode()) == terms
    others = [{"skip": ()}, {"skip": ("*.b", "a")}, {"run_id": 8}, {"round": 4}]
    for other in (replace(terms, **other) for other in others):
        assert other.encode() != terms.encode()
