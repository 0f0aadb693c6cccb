"""Bytes that look random and are the same everywhere; and names for what JSON says."""

import hashlib
import struct

from specification.params import Params

STAGES = ("setup", "share_keys", "collect_masked_vectors", "unmask", "confirm_survivors")


def sample(label, length):
    """The first bytes of SHA-256(label ‖ 0) ‖ SHA-256(label ‖ 1) ‖ ..., counters as text."""
    blocks = [hashlib.sha256(f"{label} {i}".encode()).digest() for i in range((length + 31) // 32)]
    return b"".join(blocks)[:length]


def number(label, bits):
    return int.from_bytes(sample(label, 32), "little") % 2**bits


def real(label, low, high):
    return low + (high - low) * (number(label, 53) * 2.0**-53)


def binary32(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]


def reals(values):
    """As text with the fewest digits that give the same binary64 again: JSON readers differ in how they round."""
    return [repr(value) for value in values]


def named_params(params: Params):
    fields = dict(vars(params))
    for name in ("clipping_range", "max_weight"):
        fields[name] = repr(fields[name])
    return {"fields": fields, "bytes": params.encode().hex()}


def outcome(attempt):
    """What a call gives, as a dictionary; or its error."""
    try:
        return attempt()
    except ValueError as error:
        return {"error": str(error)}
