"""Faults that were seen in Flower's own secure aggregation, each of them looked for here."""

import struct

import numpy as np
import pytest
from fleet import Fleet, message_app, moved_by
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, RecordDict
from secagg import Misuse, Policy
from secagg.flower import SecAggGrid, SecAggMod, secagg_mod

NODES = [101, 102, 103, 104, 105, 106]
ERROR = 2 * 8 / (2**22 - 1) * 1000 / 10 + 1e-6
ZEROS = {"w": np.zeros(1000, np.float32), "b": np.array(0.0, np.float32)}


def fleet(train=None, mods=(secagg_mod,), **more):
    return Fleet([message_app(train or moved_by(0.25), list(mods)) for _ in NODES], **more)


def run(clients, model=ZEROS, threshold=3, **settings):
    """Runs a round; gives the mean's arrays, or None, and the grid."""
    content = RecordDict(
        {"arrays": ArrayRecord({name: Array(a) for name, a in model.items()}), "config": ConfigRecord()}
    )
    grid = SecAggGrid(clients, threshold, **settings)
    replies = grid.send_and_receive([Message(content, node, "train") for node in clients.apps])
    good = [reply.content["arrays"] for reply in replies if reply.has_content()]
    return ({name: array.numpy() for name, array in good[0].items()} if good else None), grid


def answers(clients, stage):
    return {
        node: reply.content["secagg"]["message"]
        for at, node, reply in clients.received
        if at == stage and reply.has_content()
    }


# --- Masks -------------------------------------------------------------------------------------------


def test_masks_owe_nothing_to_numpys_generator_and_leave_it_alone():
    """Flower expands its seeds, folded to 32 bits, by numpy's global Mersenne Twister."""
    vectors = []
    for _ in range(2):
        np.random.seed(0)
        before = np.random.get_state()[1].tobytes()
        clients = fleet()
        run(clients)
        assert np.random.get_state()[1].tobytes() == before
        vectors.append(answers(clients, "collect_masked_vectors")[101])
    assert vectors[0] != vectors[1]


def test_masked_lanes_fill_the_modulus_whatever_the_update():
    """A thousand lanes of an update of zeros: their mean is within four standard errors of the middle."""
    clients = fleet(moved_by(0.0))
    run(clients)
    for vector in answers(clients, "collect_masked_vectors").values():
        lanes = np.frombuffer(vector[18:], "<u4") / 2**32
        assert abs(lanes.mean() - 0.5) < 4 / np.sqrt(12 * len(lanes))
        assert len(np.unique(lanes)) > 990


# --- Parameters --------------------------------------------------------------------------------------


@pytest.mark.parametrize("num_shares", [3, 4, 5, 6, 7, 0.5, 1.0])
def test_any_number_of_shares_works_even_ones_too(num_shares):
    mean, _ = run(fleet(), num_shares=num_shares, threshold=2)
    np.testing.assert_allclose(mean["w"], 0.25, atol=ERROR)


def test_integers_are_taken_for_floats():
    mean, _ = run(fleet(), max_weight=1000, clipping_range=8, timeout=30)
    np.testing.assert_allclose(mean["w"], 0.25, atol=ERROR)


def test_a_sum_that_could_pass_the_modulus_is_refused_before_anyone_is_asked():
    clients = fleet()
    with pytest.raises(Misuse, match="modulus"):
        run(clients, quantization_range=2**22, modulus_range=2**24)
    assert not clients.sent


@pytest.mark.parametrize(
    "policy", [{"min_threshold": 4}, {"min_cohort_size": 7}, {"min_neighbours": 6}, {"min_survivors": 6}]
)
def test_a_client_does_not_trust_the_servers_numbers(policy):
    clients = fleet(mods=[SecAggMod(policy=Policy(**policy))], vanish={106: "collect_masked_vectors"})
    mean, grid = run(clients)
    assert mean is None and "floor" in str(grid.last_round.failures)


# --- Updates -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused_by_name_and_does_not_reach_the_mean(value):
    clients = fleet()
    clients.apps[103] = message_app(moved_by(value), [secagg_mod])
    mean, grid = run(clients)
    np.testing.assert_allclose(mean["w"], 0.25, atol=ERROR)
    assert "not finite, in 'w', 'b'" in grid.last_round.failures[103]


@pytest.mark.parametrize(
    "dtype", ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", ">f4", ">i2"]
)
@pytest.mark.parametrize("shape", [(), (1,), (0,), (5,), (3, 4), (2, 3, 4), (1, 0, 2)])
def test_every_dtype_and_shape_comes_back(dtype, shape):
    model = {"w": np.full(shape, 2, dtype), "other": np.zeros(2, np.float32)}
    mean, _ = run(fleet(moved_by(3)), model)
    assert (mean["w"].dtype, mean["w"].shape) == (np.dtype(dtype), shape)
    np.testing.assert_allclose(mean["w"].astype(float), 5, atol=3e-3)


@pytest.mark.parametrize(
    "model", [{"w": np.ones(1, np.longdouble)}, {"w": np.array([1j])}, {"w": np.array(["text"])}, {}]
)
def test_what_has_no_mean_is_refused_before_anyone_is_asked(model):
    clients = fleet()
    with pytest.raises(ValueError):
        run(clients, model)
    assert not clients.sent


def test_halves_do_not_overflow():
    """Scaled by a weight of 1000 and by levels, a half would be infinite."""
    model = {"w": np.full(100, 7.5, np.float16)}
    mean, _ = run(fleet(moved_by(0.0, weight=1000)), model)
    assert mean["w"].dtype == np.float16
    np.testing.assert_allclose(mean["w"], 7.5, atol=0.005)


def test_a_transposed_array_keeps_its_order():
    model = {"w": np.arange(6, dtype=np.float32).reshape(2, 3).T}
    mean, _ = run(fleet(moved_by(0.0)), model)
    np.testing.assert_allclose(mean["w"], model["w"], atol=ERROR)


def test_a_weight_above_the_largest_is_refused_and_its_number_stays_with_the_client():
    clients = fleet()
    clients.apps[104] = message_app(moved_by(5.0, weight=1234567), [secagg_mod])
    mean, grid = run(clients)
    np.testing.assert_allclose(mean["w"], 0.25, atol=ERROR)
    assert "raise max_weight" in grid.last_round.failures[104]
    assert "1234567" not in str(grid.last_round.failures)


def test_weights_that_are_all_zero_are_no_mean():
    mean, _ = run(fleet(moved_by(0.25, weight=0)))
    assert mean is None


def test_what_is_clipped_is_named_in_the_clients_log(caplog):
    mean, _ = run(fleet(moved_by(9.0)))
    np.testing.assert_allclose(mean["w"], 8.0, atol=ERROR)
    assert "'w': 1000 of 1000 elements are above 8, and 9 would hold them" in caplog.text


@pytest.mark.parametrize(("weight", "rmse"), [(1000, 4e-7), (1, 4e-4)])
def test_precision_is_that_of_the_levels(weight, rmse):
    """Flower has rmse 4.9e-7 and 4.9e-4 for these weights."""
    start = {"w": np.random.default_rng(0).normal(0, 0.05, 20_000)}
    mean, grid = run(fleet(moved_by(0.0, weight=weight)), start)
    error = mean["w"] - start["w"]
    assert np.sqrt(np.mean(error**2)) < 2 * rmse
    bound = grid.last_round.server.params.error_bound(len(NODES), len(NODES) * weight)
    assert np.abs(error).max() <= bound


# --- Clients that lie --------------------------------------------------------------------------------


def lying(node, stage, change):
    """One client's answer, changed on its way at one stage."""

    def tamper(sender, at, reply):
        if (sender, at) != (node, stage) or reply.has_error():
            return reply
        return change(reply)

    return tamper


def _replaced(make):
    def change(reply):
        reply.content = RecordDict(
            {"secagg": ConfigRecord({"message": make(reply.content["secagg"]["message"])})}
        )
        return reply

    return change


GARBAGE = {
    "no record": lambda reply: _with(reply, RecordDict()),
    "another type": lambda reply: _with(reply, RecordDict({"secagg": ConfigRecord({"message": "text"})})),
    "nothing": _replaced(lambda answer: b""),
    "half of it": _replaced(lambda answer: answer[: len(answer) // 2]),
    "a byte more": _replaced(lambda answer: answer + b"\0"),
    "another version": _replaced(lambda answer: b"\xd7" + answer[1:]),
    "another stage": _replaced(lambda answer: answer[:1] + b"\x7f" + answer[2:]),
    "another session": _replaced(lambda answer: answer[:2] + bytes(16) + answer[18:]),
}


def _with(reply, content):
    reply.content = content
    return reply


@pytest.mark.parametrize("stage", ["setup", "share_keys", "collect_masked_vectors", "unmask"])
@pytest.mark.parametrize("what", GARBAGE)
def test_garbage_costs_its_sender_and_nobody_else(stage, what):
    clients = fleet(tamper=lying(103, stage, GARBAGE[what]))
    mean, grid = run(clients, threshold=2)
    np.testing.assert_allclose(mean["w"], 0.25, atol=ERROR)
    assert set(grid.last_round.failures) == {103}


def test_a_key_that_is_none_costs_its_sender_and_nobody_else():
    low_order = _replaced(lambda answer: answer[:18] + bytes(32) + answer[50:])
    mean, grid = run(fleet(tamper=lying(103, "setup", low_order)))
    np.testing.assert_allclose(mean["w"], 0.25, atol=ERROR)
    assert "low order" in grid.last_round.failures[103]


def test_an_answer_from_someone_unknown_is_not_expected():
    def tamper(node, stage, reply):
        if node == 103:
            reply.metadata.__dict__["_src_node_id"] = 999
        return reply

    mean, grid = run(fleet(tamper=tamper))
    np.testing.assert_allclose(mean["w"], 0.25, atol=ERROR)
    assert "no part" in grid.last_round.failures[999]


def test_an_answer_of_the_round_before_is_not_taken():
    first = fleet()
    run(first)
    old = answers(first, "setup")
    clients = fleet(tamper=lying(103, "setup", _replaced(lambda answer: old[103])))
    mean, grid = run(clients)
    np.testing.assert_allclose(mean["w"], 0.25, atol=ERROR)
    assert "another session" in grid.last_round.failures[103]


@pytest.mark.parametrize("bit", [0, 1, 77, 255])
def test_one_flipped_bit_in_a_share_gives_the_right_mean_or_none(bit):
    """With six clients, a threshold of 2 and nobody missing, three shares are to spare: the lie is found."""

    def flip(answer):
        answer = bytearray(answer)
        answer[23 + bit // 8] ^= 1 << bit % 8
        return bytes(answer)

    mean, _ = run(fleet(tamper=lying(103, "unmask", _replaced(flip))), threshold=2)
    np.testing.assert_allclose(mean["w"], 0.25, atol=ERROR)
    mean, _ = run(fleet(tamper=lying(103, "unmask", _replaced(flip))), threshold=5)
    assert mean is None


def test_an_update_of_another_shape_or_name_costs_its_sender_and_nobody_else():
    shapes = [(999,), (10, 100), (1,), (1000, 1)]
    updates = [{"w": np.zeros(shape, np.float32), "b": ZEROS["b"]} for shape in shapes]
    for wrong in (*updates, {"v": ZEROS["w"], "b": ZEROS["b"]}, {}):
        clients = fleet()
        clients.apps[103] = message_app(lambda arrays, wrong=wrong: (wrong, 10, {}), [secagg_mod])
        mean, grid = run(clients)
        np.testing.assert_allclose(mean["w"], 0.25, atol=ERROR)
        assert "array" in grid.last_round.failures[103]


def test_an_app_that_fails_costs_its_own_update_and_nobody_elses():
    def fails(arrays):
        raise ZeroDivisionError

    clients = fleet()
    clients.apps[103] = message_app(fails, [secagg_mod])
    mean, grid = run(clients)
    np.testing.assert_allclose(mean["w"], 0.25, atol=ERROR)
    assert "ZeroDivisionError" in grid.last_round.failures[103]


def test_a_reply_without_its_weight_says_which_key_is_missing():
    clients = fleet()
    clients.apps[103] = message_app(moved_by(0.25), [secagg_mod], weighted_by="n")
    _, grid = run(clients)
    assert "'num-examples'" in grid.last_round.failures[103]


# --- Servers that lie --------------------------------------------------------------------------------


def until(stage):
    """A fleet whose clients wait for the request of a stage, and those requests."""
    clients = fleet(vanish=dict.fromkeys(NODES, stage))
    pushed = {}
    push = clients.push_messages

    def listen(messages):
        messages = list(messages)
        pushed.update({message.metadata.dst_node_id: message for message in messages})
        return push(messages)

    clients.push_messages = listen
    run(clients)
    return clients, pushed


def ask(clients, node, message, change=lambda request: request):
    """Asks one client directly, as a server that does not keep to the protocol."""
    request = change(message.content["secagg"]["message"])
    content = RecordDict({**message.content, "secagg": ConfigRecord({"message": request})})
    asked = Message(content, node, "train")
    asked.metadata.__dict__["_message_id"] = "asked"
    return clients.apps[node](asked, clients.contexts[node])


def test_a_client_reveals_one_share_of_each_neighbour_and_answers_once():
    """The second question names another set of survivors, to have the other share of neighbour 106."""
    clients, requests = until("unmask")
    first = ask(clients, 101, requests[101])
    assert first.has_content()
    second = ask(clients, 101, requests[101], lambda request: _naming(request, NODES[:-1]))
    assert second.has_error()


@pytest.mark.parametrize(
    ("survivors", "why"),
    [
        ([101, 101, 101], "ascending"),
        ([101, 102], "threshold is 3"),
        ([102, 103, 104, 105], "omit this client"),
        ([101, 102, 103, 104, 999], "999"),
        ([], "omit this client"),
    ],
)
def test_a_client_checks_who_survived(survivors, why):
    clients, requests = until("unmask")
    reply = ask(clients, 101, requests[101], lambda request: _naming(request, survivors))
    assert why in reply.error.reason


def test_a_client_does_not_train_on_another_model_than_the_others():
    other = RecordDict(
        {
            "arrays": ArrayRecord({"w": Array(np.ones(1000, np.float32)), "b": Array(ZEROS["b"])}),
            "config": ConfigRecord(),
        }
    )
    clients = fleet()
    push = clients.push_messages

    def swap(messages):
        messages = list(messages)
        for message in messages:
            if message.metadata.dst_node_id == 101 and "arrays" in message.content:
                message.content = RecordDict({**other, "secagg": message.content["secagg"]})
        return push(messages)

    clients.push_messages = swap
    mean, grid = run(clients)
    np.testing.assert_allclose(mean["w"], 0.25, atol=ERROR)
    assert "another model" in grid.last_round.failures[101]


def test_models_that_differ_are_refused_unless_both_sides_want_them():
    def contents(value):
        return RecordDict(
            {"arrays": ArrayRecord({"w": Array(np.full(3, value, np.float32))}), "config": ConfigRecord()}
        )

    def replies(clients, **settings):
        grid = SecAggGrid(clients, 3, **settings)
        messages = [Message(contents(node / 1000), node, "train") for node in NODES]
        return grid.send_and_receive(messages), grid

    with pytest.raises(ValueError, match="same_model=False"):
        replies(fleet())
    refused, _ = replies(fleet(), same_model=False)
    assert all(reply.has_error() for reply in refused)
    good, _ = replies(fleet(mods=[SecAggMod(same_model=False)]), same_model=False)
    np.testing.assert_allclose(
        good[0].content["arrays"]["w"].numpy(), 0.25 + np.mean(NODES) / 1000, atol=ERROR
    )


@pytest.mark.parametrize("other", [{"b": 2, "w": 3}, {"w": 2, "b": 3}, {"w": 5}])
def test_models_that_differ_have_the_same_arrays_in_the_same_order(other):
    """Or lanes of one array would be added to those of another."""

    def content(sizes):
        arrays = {name: Array(np.zeros(size, np.float32)) for name, size in sizes.items()}
        return RecordDict({"arrays": ArrayRecord(arrays)})

    clients = fleet(mods=[SecAggMod(same_model=False)])
    messages = [Message(content({"w": 3, "b": 2} if node < 106 else other), node, "train") for node in NODES]
    with pytest.raises(ValueError, match="another order"):
        SecAggGrid(clients, 3, same_model=False).send_and_receive(messages)
    assert not clients.sent


@pytest.mark.parametrize("dtype", [np.complex64, np.longdouble, "U8"])
def test_an_update_that_is_not_of_real_numbers_drops_out(dtype):
    clients = fleet()
    clients.apps[101] = message_app(lambda arrays: (_cast_all(arrays, dtype), 10, {}), [secagg_mod])
    mean, grid = run(clients)
    np.testing.assert_allclose(mean["w"], 0.25, atol=ERROR)
    assert "is none of floats up to 64 bits, integers and bools" in grid.last_round.failures[101]


def _cast_all(arrays, dtype):
    return {name: array.astype(dtype) for name, array in arrays.items()}


def _naming(request, survivors):
    """An unmask request that names other survivors."""
    ids = b"".join(struct.pack("<Q", node) for node in survivors)
    return request[:18] + struct.pack("<I", len(survivors)) + ids + struct.pack("<I", 0)
