"""Section 11, Decoding: bytes that are no message."""

import struct

from specification.encoding import u8, u32, u64
from specification.round import COLLECT, CONFIRM, SETUP, SHARE_KEYS, UNMASK

P = 2**255 - 19
STAGE_OF = {
    "SetupRequest": (SETUP, "client"), "AdvertisedKeys": (SETUP, "server"),
    "ShareKeysRequest": (SHARE_KEYS, "client"), "SealedShares": (SHARE_KEYS, "server"),
    "CollectRequest": (COLLECT, "client"), "MaskedVector": (COLLECT, "server"),
    "ConfirmRequest": (CONFIRM, "client"), "Confirmation": (CONFIRM, "server"),
    "UnmaskRequest": (UNMASK, "client"), "RevealedShares": (UNMASK, "server"),
}  # fmt: skip


def cases(scenes):
    curious, active = scenes["secagg_curious"], scenes["secagg_active_drop_outs"]
    padded = scenes["secagg_plus_curious_drop_outs"]
    for name in STAGE_OF:
        yield from _any_message(active if "Confirm" in name else curious, name)
    yield from _counts(curious, active)
    yield from _setup(padded)
    yield from _keys(curious, active)
    yield from _orders(curious, active)
    yield from _tags(curious)
    yield from _vectors(padded)


def _true(scene, name):
    stage, to = STAGE_OF[name]
    return scene.request(stage, 3) if to == "client" else scene.answer(stage, 3)


def _to(scene, name, message, error):
    stage, to = STAGE_OF[name]
    deliver = scene.to_client if to == "client" else scene.to_server
    return deliver(stage, 3, message, f"Malformed::{error}")


def _any_message(scene, name):
    """What can be wrong with all of them. A masked vector has no end of its own: see _vectors."""
    raw = _true(scene, name)
    changed = {
        "that is empty": (b"", "Truncated"),
        "that ends in its header": (raw[:17], "Truncated"),
        "of version 2": (u8(2) + raw[1:], "Version"),
        "of version 2 and wrong kind": (u8(2) + u8(raw[1] ^ 1) + raw[2:], "Version"),
        "of the other direction": (raw[:1] + u8(raw[1] ^ 0x80) + raw[2:], "Kind"),
        "of the stage before or after": (raw[:1] + u8(raw[1] ^ 1) + raw[2:], "Kind"),
    }
    if name != "MaskedVector":
        changed["that ends a byte early"] = (raw[:-1], "Truncated")
        changed["with a byte too many"] = (raw + b"\0", "TrailingBytes")
    for what, (message, error) in changed.items():
        yield f"{_snake(name)} {what}", _to(scene, name, message, error)


def _snake(name):
    return "".join(" " + c.lower() if c.isupper() else c for c in name).strip()


def _counts(curious, active):
    """Counts that the message has no room for, the largest first."""
    places = {
        "ShareKeysRequest": 50,
        "SealedShares": 50,
        "CollectRequest": 18,
        "ConfirmRequest": 18,
        "UnmaskRequest": 18,
        "RevealedShares": 18,
    }
    for name, place in places.items():
        scene = active if name == "ConfirmRequest" else curious
        raw = _true(scene, name)
        true = int.from_bytes(raw[place : place + 4], "little")
        for what, count in (("the largest count", 2**32 - 1), ("a count one too large", true + 1)):
            message = raw[:place] + u32(count) + raw[place + 4 :]
            yield f"{_snake(name)} with {what}", _to(scene, name, message, "Truncated")
        less = raw[:place] + u32(true - 1) + raw[place + 4 :]
        error = "Truncated" if name == "UnmaskRequest" else "TrailingBytes"
        yield f"{_snake(name)} with a count one too small", _to(scene, name, less, error)
    raw = _true(curious, "UnmaskRequest")
    yield (
        "unmask request with the largest count of confirmations",
        _to(curious, "UnmaskRequest", raw[:-4] + u32(2**32 - 1), "Truncated"),
    )


def _setup(scene):
    """Parameters that fail one check of section 3 each. The round has n = 13, k = 6, t = 3, b = 20."""
    raw = _true(scene, "SetupRequest")
    nan, f = float("nan"), lambda x: struct.pack("<d", x)
    changes = {
        "a cohort of two": ([(1, u32(2))], "CohortSize"),
        "a degree of one": ([(13, u32(1))], "NumShares"),
        "a degree of n": ([(13, u32(13))], "NumShares"),
        "an odd degree in an odd cohort": ([(13, u32(5))], "NumShares"),
        "a threshold of one": ([(17, u32(1)), (48, u32(0))], "Threshold"),
        "a threshold above the degree": ([(17, u32(7))], "Threshold"),
        "as many corrupted neighbours as the threshold": ([(48, u32(3))], "CorruptedNeighbours"),
        "half of the neighbours for a threshold against an active server": ([(47, u8(1)), (48, u32(0))], "CorruptedNeighbours"),
        "a width of zero": ([(45, u8(0))], "Modulus"),
        "a width of 65": ([(45, u8(65))], "Modulus"),
        "a clipping range of zero": ([(21, f(0.0))], "Quantizer"),
        "a clipping range that is no number": ([(21, f(nan))], "Quantizer"),
        "a quantization range of one": ([(29, u64(1))], "Quantizer"),
        "a quantization range above 2 to the 48": ([(29, u64(2**48 + 1)), (45, u8(64))], "Quantizer"),
        "an infinite largest weight": ([(37, f(float("inf")))], "Quantizer"),
        "a sum that has no room": ([(45, u8(19))], "Overflow"),
        "a dimension that passes a keystream": ([(5, u64(2**34))], "Dimension"),
        "the largest dimension": ([(5, u64(2**64 - 1))], "Dimension"),
        "prg 0": ([(46, u8(0))], "Prg"),
        "prg 4": ([(46, u8(4))], "Prg"),
        "threat model 2": ([(47, u8(2))], "ThreatModel"),
        "suite 0": ([(0, u8(0))], "Suite"),
        "suite 2 and prg 0": ([(0, u8(2)), (46, u8(0))], "Suite"),
        "prg 0 in a cohort of two": ([(1, u32(2)), (46, u8(0))], "Prg"),
        "threat model 2 and a width of zero": ([(45, u8(0)), (47, u8(2))], "ThreatModel"),
    }  # fmt: skip
    for what, (fields, error) in changes.items():
        message = bytearray(raw)
        for offset, value in fields:
            message[18 + offset : 18 + offset + len(value)] = value
        yield f"setup request with {what}", _to(scene, "SetupRequest", bytes(message), f"Params::{error}")


def _keys(curious, active):
    encodings = {"p": P, "p plus one": P + 1, "2 to the 255": 2**255, "all ones": 2**256 - 1}
    raw = _true(curious, "AdvertisedKeys")
    for what, number in encodings.items():
        key = number.to_bytes(32, "little")
        for role, place in (("mask", 18), ("channel", 50)):
            message = raw[:place] + key + raw[place + 32 :]
            yield f"advertised keys with the {role} key {what}", _to(curious, "AdvertisedKeys", message, "KeyEncoding")
    high_bit = raw[:49] + u8(raw[49] | 0x80) + raw[50:]
    yield "advertised keys with the high bit of a true key set", _to(curious, "AdvertisedKeys", high_bit, "KeyEncoding")
    request, place = _true(curious, "ShareKeysRequest"), 54 + 73 + 8
    message = request[:place] + P.to_bytes(32, "little") + request[place + 32 :]
    yield "share keys request with the mask key p", _to(curious, "ShareKeysRequest", message, "KeyEncoding")
    yield "advertised keys with the tag 2", _to(curious, "AdvertisedKeys", raw[:82] + u8(2), "Tag")
    signed = _true(active, "AdvertisedKeys")
    without = signed[:82] + u8(0) + signed[83:]
    yield "advertised keys with a signature behind the tag 0", _to(active, "AdvertisedKeys", without, "TrailingBytes")
    cut = raw[:82] + u8(1)
    yield "advertised keys with the tag 1 and no signature", _to(curious, "AdvertisedKeys", cut, "Truncated")


def _swapped(raw, start, size, i):
    a, b = start + i * size, start + (i + 1) * size
    return raw[:a] + raw[b : b + size] + raw[a:b] + raw[b + size :]


def _doubled(raw, start, size, i):
    a, b = start + i * size, start + (i + 1) * size
    return raw[:b] + raw[a:b] + raw[b + size :]


def _orders(curious, active):
    lists = {
        "ShareKeysRequest": (curious, 54, 73),
        "CollectRequest": (curious, 22, 88),
        "ConfirmRequest": (active, 22, 8),
        "UnmaskRequest": (active, 22, 8),
    }
    for name, (scene, start, size) in lists.items():
        raw = _true(scene, name)
        yield f"{_snake(name)} out of order", _to(scene, name, _swapped(raw, start, size, 1), "Order")
        yield f"{_snake(name)} that names a client twice", _to(scene, name, _doubled(raw, start, size, 1), "Order")
        both = _swapped(raw, start, size, 0) + b"\0"
        yield f"{_snake(name)} out of order and with a byte too many", _to(scene, name, both, "Order")
    raw = _true(active, "UnmaskRequest")
    start = 26 + 8 * int.from_bytes(raw[18:22], "little")
    out_of_order = _swapped(raw, start, 72, 0)
    yield "unmask request with confirmations out of order", _to(active, "UnmaskRequest", out_of_order, "Order")
    twice = _doubled(raw, start, 72, 0)
    yield "unmask request with a confirmation twice", _to(active, "UnmaskRequest", twice, "Order")


def _tags(scene):
    raw = _true(scene, "RevealedShares")
    for tag in (3, 255):
        yield f"revealed shares with the tag {tag}", _to(scene, "RevealedShares", raw[:22] + u8(tag) + raw[23:], "Tag")
    message = raw[:22] + u8(0) + raw[23:]
    yield "revealed shares with a share behind the tag 0", _to(scene, "RevealedShares", message, "Tag")
    last = raw[:22] + u8(0) + bytes(31) + u8(1) + raw[55:]
    yield "revealed shares with one bit behind the tag 0", _to(scene, "RevealedShares", last, "Tag")


def _vectors(scene):
    raw = _true(scene, "MaskedVector")
    used = ((scene.ran.params.dimension + 2) * scene.ran.params.width) % 8
    changed = {
        "that ends a byte early": raw[:-1],
        "with a byte too many": raw + b"\0",
        "without lanes": raw[:18],
        "with the lowest unused bit set": raw[:-1] + u8(raw[-1] | 1 << used),
        "with the highest unused bit set": raw[:-1] + u8(raw[-1] | 0x80),
    }
    assert used
    for what, message in changed.items():
        yield f"masked vector {what}", _to(scene, "MaskedVector", message, "MaskedVector")
