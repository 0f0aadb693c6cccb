"""Arrays at the border: which are taken, which are refused and in which words, and that none is copied or changed unasked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import secagg
from numpy.typing import NDArray
from rounds import Cohort, masking, plan
from secagg import Client, Params, Server, kernels

SEED = bytes(range(32))
WORDS = (np.uint16, np.uint32, np.uint64)


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    array.flags.writeable = False
    return array


# --- Lanes that are written --------------------------------------------------------------------------------

Write = Callable[[Any], None]
WRITES: dict[str, Write] = {
    "apply": lambda lanes: plan().apply(lanes),
    "unpack": lambda lanes: kernels.unpack(bytes(16), 16, lanes),
    "unpack_add": lambda lanes: kernels.unpack_add(bytes(16), 16, lanes),
    "quantize": lambda lanes: kernels.Quantizer(quantization_range=100).quantize(
        1.0, np.zeros(6), lanes, seed=SEED
    ),
    "expand": lambda out: kernels.expand("chacha20", SEED, out),
}


def dtype_of(name: str) -> Any:
    return np.uint8 if name == "expand" else np.uint32


@pytest.mark.parametrize("name", WRITES)
def test_arrays_that_cannot_be_written(name: str) -> None:
    write, dtype = WRITES[name], dtype_of(name)
    refused: list[tuple[type[Exception], str, Any]] = [
        (TypeError, "a numpy array of uint.* is due, and not <class 'list'>", [0] * 8),
        (TypeError, "is due, and not <class 'bytes'>", bytes(8)),
        (TypeError, "is due, and not of int64", np.zeros(8, np.int64)),
        (TypeError, "is due, and not of float32", np.zeros(8, np.float32)),
        (TypeError, "is due, and not of >u", np.zeros(8, ">u4")),
        (ValueError, "one dimension is due, and not of 2", np.zeros((2, 4), dtype)),
        (ValueError, "one dimension is due, and not of 0", np.zeros((), dtype)),
        (ValueError, "not contiguous", np.zeros(16, dtype)[::2]),
        (ValueError, "not contiguous", np.zeros(8, dtype)[::-1]),
        (ValueError, "read-only", read_only(np.zeros(8, dtype))),
    ]
    if dtype != np.uint8:
        misaligned = np.zeros(33, np.uint8)[1:].view(dtype)
        refused.append((ValueError, "not contiguous", misaligned))
    for error, message, array in refused:
        before = np.array(array)
        with pytest.raises(error, match=message):
            write(array)
        np.testing.assert_array_equal(array, before)
    array = np.zeros(8, dtype)
    view = array[:]
    write(view)
    assert view is not array and (array.any() or name in ("unpack", "unpack_add"))


@pytest.mark.parametrize("word", WORDS)
def test_masks_come_and_go_in_place(word: Any) -> None:
    lanes: NDArray[Any] = np.arange(5000, dtype=word)
    plan().apply(lanes)
    assert (lanes != np.arange(5000, dtype=word)).mean() > 0.99
    negative = kernels.MaskPlan(
        "aes-128-ctr", [(bytes([0]) * 32, -1), (bytes([1]) * 32, 1)]
    )
    negative.apply(lanes[:4000])
    negative.apply(lanes[4000:], first_lane=4000)
    np.testing.assert_array_equal(lanes, np.arange(5000, dtype=word))


@pytest.mark.parametrize("prg", kernels.PRGS)
def test_a_mask_is_its_seeds_keystream(prg: Any) -> None:
    stream = np.zeros(8000, np.uint8)
    kernels.expand(prg, SEED, stream)
    part = np.zeros(1000, np.uint8)
    kernels.expand(prg, SEED, part, first_byte=5001)
    np.testing.assert_array_equal(part, stream[5001:6001])
    for word in WORDS:
        lanes: NDArray[Any] = np.zeros(500, word)
        kernels.MaskPlan(prg, [(SEED, 1)]).apply(lanes, first_lane=100)
        np.testing.assert_array_equal(lanes, stream.view(word)[100:600])


def test_every_backend_says_the_same() -> None:
    expected = np.zeros(10_000, np.uint32)
    plan(5).apply(expected, backend="portable")
    for backend in kernels.backends():
        lanes = np.zeros(10_000, np.uint32)
        plan(5).apply(lanes, backend=backend)
        np.testing.assert_array_equal(lanes, expected)


def test_plans_that_are_none() -> None:
    assert len(plan(0)) == 0 and plan().prg == "aes-128-ctr"
    assert len(kernels.MaskPlan.from_bytes(plan(3).to_bytes())) == 3
    with pytest.raises(secagg.Misuse, match="32 bytes, and not 31"):
        kernels.MaskPlan("chacha20", [(bytes(31), 1)])
    with pytest.raises(secagg.Misuse, match="1, to add, or -1"):
        kernels.MaskPlan("chacha20", [(bytes(32), 0)])  # type: ignore[list-item]
    with pytest.raises(secagg.Misuse, match="are no plan"):
        kernels.MaskPlan.from_bytes(b"\x01\x02")
    with pytest.raises(secagg.Misuse, match="keystream"):
        plan().apply(np.zeros(8, np.uint32), first_lane=2**34)
    with pytest.raises(TypeError, match="pickle"):
        __import__("pickle").dumps(plan())


# --- Packing and quantizing --------------------------------------------------------------------------------


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("width", [1, 5, 12, 16, 20, 32, 33, 64])
def test_packing_keeps_the_low_bits(word: Any, width: int) -> None:
    lanes = np.random.default_rng(width).integers(0, np.iinfo(word).max, 101, word, endpoint=True)
    if width > np.iinfo(word).bits:
        with pytest.raises(secagg.Misuse, match="does not hold"):
            kernels.pack(lanes, width)
        return
    packed = kernels.pack(lanes, width)
    assert len(packed) == kernels.packed_len(101, width)
    low = lanes & word(2**width - 1)
    bits = sum(int(lane) << (i * width) for i, lane in enumerate(low))
    assert int.from_bytes(packed, "little") == bits
    out = np.full(101, 7, word)
    kernels.unpack(packed, width, out)
    np.testing.assert_array_equal(out, low)
    kernels.unpack_add(np.frombuffer(packed, np.uint8), width, out)
    np.testing.assert_array_equal(out, low + low)


def test_bytes_that_are_not_packed_lanes() -> None:
    out = np.zeros(3, np.uint16)
    for unpack in (kernels.unpack, kernels.unpack_add):
        with pytest.raises(secagg.Misuse, match="4 bytes where the packed lanes take 5"):
            unpack(bytes(4), 12, out)
        with pytest.raises(secagg.Misuse, match="unused bits"):
            unpack(b"\0\0\0\0\xf0", 12, out)
        with pytest.raises(secagg.Misuse, match="from 1 to 64"):
            unpack(bytes(4), 0, out)
        with pytest.raises(TypeError, match="uint8"):
            unpack(np.zeros(5, np.int8), 12, out)
        with pytest.raises(TypeError, match="bytes"):
            unpack("text", 12, out)  # type: ignore[arg-type]
    assert not out.any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("word, width", [(np.uint32, 32), (np.uint64, 40)])
def test_a_sum_of_quantized_updates_is_their_mean(dtype: Any, word: Any, width: int) -> None:
    quantizer = kernels.Quantizer(4.0, 2**20, 100.0)
    random, total = np.random.default_rng(2), np.zeros(302, word)
    updates = random.normal(0, 1, (3, 300)).astype(dtype)
    updates[:, 7], updates[1, 8] = 0, 9
    for client, update in enumerate(updates):
        lanes = np.zeros(302, word)
        quantizer.quantize(10.0 * (client + 1), update, lanes, seed=bytes([client]) * 32)
        total += lanes
    mean, weight, clipped = quantizer.dequantize(total, 3, width=width, dtype=dtype)
    assert weight == 60.0 and mean.dtype == dtype and mean[7] == 0 and clipped == 1
    expected = np.average(updates.astype(np.float64).clip(-4, 4), axis=0, weights=[10, 20, 30])
    assert np.abs(mean - expected).max() <= quantizer.error_bound(3, 60.0) + 1e-6
    with pytest.raises(secagg.Misuse, match="outside of what the clients' weights allow"):
        quantizer.dequantize(~total, 3, width=width)
    with pytest.raises(secagg.Misuse, match="not the smallest"):
        quantizer.dequantize(total, 3, width=16)


def test_quantizers_that_are_none() -> None:
    for arguments in ((0.0,), (8.0, 1), (8.0, 2**49), (8.0, 4, -1.0)):
        with pytest.raises(secagg.Misuse):
            kernels.Quantizer(*arguments)
    assert kernels.Quantizer.largest_for(32, 1000) == 4_294_968
    assert kernels.Quantizer.largest_for(2, 1000) is None
    assert kernels.Quantizer() == kernels.Quantizer(8.0, 2**22, 1000.0)


# --- Updates -----------------------------------------------------------------------------------------------


def test_updates_that_are_not_taken_leave_the_client_where_it_was() -> None:
    _, client, request = masking(8)
    refused: list[tuple[type[Exception], str, Any]] = [
        (TypeError, "is due, and not <class 'list'>", [0.0] * 8),
        (TypeError, "is due, and not of float16", np.zeros(8, np.float16)),
        (TypeError, "is due, and not of int64", np.zeros(8, np.int64)),
        (TypeError, "is due, and not of complex", np.zeros(8, np.complex64)),
        (TypeError, "is due, and not of >f4", np.zeros(8, ">f4")),
        (TypeError, "is due, and not of object", np.zeros(8, object)),
        (TypeError, "is due, and not of longdouble|float128", np.zeros(8, np.longdouble)),
        (TypeError, "is due, and not of bool", np.zeros(8, bool)),
        (TypeError, "is due, and not of", np.zeros(8, "f4,f4")),
        (TypeError, "is due, and not of <U1", np.zeros(8, "U1")),
        (TypeError, "a masked array is not taken", np.ma.masked_array(np.zeros(8), [True] + [False] * 7)),
        (TypeError, "a masked array is not taken", np.ma.masked_array(np.zeros(8))),
        (ValueError, "one dimension is due, and not of 2", np.zeros((2, 4))),
        (ValueError, "one dimension is due, and not of 0", np.zeros(())),
        (ValueError, "not contiguous", np.zeros(16)[::2]),
        (ValueError, "not contiguous", np.zeros((8, 2), order="C")[:, 0]),
    ]
    for error, message, update in refused:
        with pytest.raises(error, match=message):
            client.answer(request, 1.0, update)
        assert client.stage == "collect_masked_vectors"
    update = read_only(np.linspace(-1, 1, 8))
    client.answer(request, 1.0, update)
    np.testing.assert_array_equal(update, np.linspace(-1, 1, 8))


KINDS: dict[str, Callable[[bytes], Any]] = {
    "bytes": bytes,
    "bytearray": bytearray,
    "memoryview": memoryview,
    "a view of a bytearray": lambda message: memoryview(bytearray(message)),
    "uint8": lambda message: np.frombuffer(message, np.uint8),
    "part of a frame": lambda message: memoryview(b"head" + message + b"tail")[4:-4],
}


@pytest.mark.parametrize("kind", KINDS)
def test_messages_are_whatever_holds_bytes(kind: str) -> None:
    """A whole round, its states and parameters in bytes of one kind."""
    of, cohort = KINDS[kind], Cohort(Params.secagg(3, 8, 2))
    key = secagg.StateKey(of(SEED))
    server = Server(cohort.params, of(bytes(16)), cohort.ids, application=of(b"model"))
    clients = {i: Client(i, application=of(b"model"), state_key=key) for i in cohort.ids}
    while server.stage:
        for client, request in server.requests.items():
            answer = clients[client].answer(of(request), 1.0, np.full(8, client, np.float32))
            clients[client] = Client.restore(of(clients[client].state or b""), key)
            server.receive(client, of(answer))
        server.close()
        if server.stage:
            server = Server.restore(of(server.save(key)), key)
            assert Params.from_request(of(next(iter(server.requests.values())))) if server.stage == "setup" else True
    assert np.abs(server.aggregate().mean - np.mean(cohort.ids)).max() < 0.01
    secret = secagg.Identity(of(SEED))
    assert 1 in secagg.Directory({1: of(secret.verifying_key)})
    masks = kernels.MaskPlan("chacha20", [(of(SEED), 1)])
    assert len(kernels.MaskPlan.from_bytes(of(masks.to_bytes()))) == 1
    kernels.expand("chacha20", of(SEED), np.zeros(3, np.uint8))
    kernels.unpack(of(bytes(5)), 12, np.zeros(3, np.uint16))


def test_what_holds_no_bytes_is_no_message() -> None:
    server, client, request = masking(8)
    array: Any = np.frombuffer(request, np.uint8)
    floats: Any = np.zeros(8)
    stacked: Any = np.stack([array, array])
    repeated: Any = np.repeat(array, 2)
    others: list[Any] = [
        request.hex(), list(request), None, array.view(np.int8), stacked, repeated[::2],
        memoryview(request).cast("b"), memoryview(stacked), memoryview(repeated)[::2],
        memoryview(floats), np.ma.masked_array(array, array > 3),
    ]  # fmt: skip
    for other in others:
        with pytest.raises((TypeError, ValueError)):
            client.answer(other, 1.0, np.zeros(8))
        with pytest.raises((TypeError, ValueError)):
            server.receive(1, other)
    assert client.stage == "collect_masked_vectors"
    for empty in (b"", bytearray(), memoryview(b""), array[:0]):
        with pytest.raises(secagg.Malformed):
            server.receive(1, empty)


# --- Numbers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("real", [np.float16, np.float32, np.float64, np.longdouble, np.int8, np.uint64, int])
@pytest.mark.parametrize("whole", [np.int8, np.int32, np.int64, np.uint8, np.uint64])
def test_scalars_of_numpy_are_numbers(real: Any, whole: Any) -> None:
    expected = Params.secagg(5, 8, 3, clipping_range=8.0, max_weight=100.0, corrupted_neighbours=1)
    given = Params.secagg(
        whole(5), whole(8), whole(3), clipping_range=real(8), max_weight=real(100), corrupted_neighbours=whole(1)
    )
    assert given == expected and given.weight_is_exact(real(1)) == expected.weight_is_exact(1.0)
    assert given.error_bound(whole(3), real(30)) == expected.error_bound(3, 30.0)
    assert secagg.plan(whole(50), dropout=np.float32(0.25)) == secagg.plan(50, dropout=0.25)
    assert kernels.Quantizer(real(8), whole(100)) == kernels.Quantizer(8.0, 100)
    sign: Any = np.int8(-1)
    kernels.MaskPlan("chacha20", [(SEED, sign)]).apply(np.zeros(8, np.uint32), first_lane=whole(8))
    server, client, request = masking(8)
    server.receive(whole(1), client.answer(request, real(1), np.zeros(8)))


@pytest.mark.parametrize("other", [True, np.True_, np.array(2), np.array(2.0), np.array([2]), "2", None, 2j, [2]])
def test_what_is_no_number(other: Any) -> None:
    """A bool is none, nor an array without axes: `array.item()` is."""
    server, client, request = masking(8)
    calls: list[Callable[[], object]] = [
        lambda: Params.secagg(other, 8, 2),
        lambda: Params.secagg(3, 8, other),
        lambda: Params.secagg(3, 8, 2, clipping_range=other),
        lambda: Params.secagg(3, 8, 2, max_weight=other),
        lambda: Params.secagg(3, 8, 2).error_bound(3, other),
        lambda: Params.secagg(3, 8, 2).weight_is_exact(other),
        lambda: secagg.plan(50, dropout=other),
        lambda: kernels.Quantizer(other),
        lambda: kernels.MaskPlan("chacha20", [(SEED, other)]),
        lambda: client.answer(request, other, np.zeros(8)),
        lambda: server.receive(other, request),
    ]
    for call in calls:
        with pytest.raises(TypeError, match="is due, and not"):
            call()
    assert client.stage == "collect_masked_vectors"


@pytest.mark.parametrize(("clients", "weight"), [(0, 1.0), (3, 0.0), (3, -1.0), (3, np.nan), (3, np.inf)])
def test_where_there_is_no_mean_there_is_no_bound(clients: int, weight: float) -> None:
    for bounded in (kernels.Quantizer(1.0, 1 << 20, 100.0), secagg.Params.secagg(5, 10, 3)):
        with pytest.raises(secagg.Misuse, match="have no mean"):
            bounded.error_bound(clients, weight)


def test_a_length_beyond_memory_is_refused_and_not_cut() -> None:
    assert kernels.packed_len(3, 20) == 8
    with pytest.raises(secagg.Misuse, match="more bytes than memory"):
        kernels.packed_len(2**62, 64)
