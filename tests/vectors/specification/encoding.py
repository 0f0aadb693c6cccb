"""Section 2 (notation) and section 10 (packing)."""

import hashlib
import struct

VERSION = 1


def u8(number):
    return number.to_bytes(1, "little")


def u32(number):
    return number.to_bytes(4, "little")


def u64(number):
    return number.to_bytes(8, "little")


def f64(number):
    return struct.pack("<d", number)


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def word_bytes(width):
    """W of section 8."""
    return 2 if width <= 16 else 4 if width <= 32 else 8


def packed_length(lanes, width):
    return (lanes * width + 7) // 8


def pack(lanes, width):
    number = sum((lane % 2**width) << (i * width) for i, lane in enumerate(lanes))
    return number.to_bytes(packed_length(len(lanes), width), "little")


def unpack(packed, count, width):
    if len(packed) != packed_length(count, width):
        raise ValueError("Length")
    number = int.from_bytes(packed, "little")
    if number >> (count * width):
        raise ValueError("NonZeroPadding")
    return [(number >> (i * width)) % 2**width for i in range(count)]
