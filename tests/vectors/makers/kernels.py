"""Sections 8 to 10: keystreams, masks, quantizer, packing."""

import hashlib
import math
from itertools import product

from specification.encoding import pack, packed_length, unpack, word_bytes
from specification.prg import BLOCK, LIMIT, PRGS, keystream, mask
from specification.quantizer import LARGEST_BINARY32, Quantizer

from .common import binary32, number, outcome, real, reals, sample

TILE = 16384


def keystreams():
    cases = []
    for prg in PRGS:
        block, limit = BLOCK[prg], LIMIT[prg]
        starts = [0, 2, 14, block - 2, block, block + 6, TILE - 2, TILE, 2**20 - 18, 2**32 - 4, 2**35 + 2, limit - 34]
        cases += [_keystream(prg, start, 34) for start in sorted(set(starts))]
        cases += [_keystream(prg, limit - 2, 4), _keystream(prg, limit, 2), _keystream(prg, limit, 0)]
    return {"cases": cases}


def _keystream(prg, offset, length):
    seed = sample(f"keystream {prg}", 32)
    head = {"prg": prg, "seed": seed.hex(), "offset": offset, "length": length}
    return head | outcome(lambda: {"bytes": keystream(prg, seed, offset, length).hex()})


def masks():
    few = []
    for prg, width in product(PRGS, (1, 16, 17, 20, 32, 33, 40, 64)):
        last = LIMIT[prg] // word_bytes(width)
        for first in (0, 1, 5, TILE // word_bytes(width) - 3, 2**20 + 1, last - 6):
            few.append(_mask(prg, width, first))
    return {"cases": few, "long": [_long(prg, width) for prg, width in product(PRGS, (13, 20, 64))]}


def _mask(prg, width, first):
    seed = sample(f"mask {prg} {width}", 32)
    lanes = mask(prg, seed, width, first, 6)
    return {"prg": prg, "seed": seed.hex(), "width": width, "first": first, "lanes": lanes}


def _long(prg, width):
    """Three seeds, added and subtracted, from the middle of a tile to the middle of the third."""
    word = word_bytes(width)
    first, count = 777, 2 * TILE // word + 1235
    seeds = [(sign, sample(f"long mask {prg} {width} {i}", 32)) for i, sign in enumerate((1, -1, -1))]
    sums = [0] * count
    for sign, seed in seeds:
        sums = [total + sign * lane for total, lane in zip(sums, mask(prg, seed, width, first, count))]
    words = b"".join((total % 2 ** (8 * word)).to_bytes(word, "little") for total in sums)
    plan = [{"sign": sign, "seed": seed.hex()} for sign, seed in seeds]
    digest = hashlib.sha256(words).hexdigest()
    return {"prg": prg, "width": width, "first": first, "count": count, "plan": plan, "sha256": digest}


# Clipping range, quantization range, largest weight; the last is whole and s at least 1, or not.
QUANTIZERS = (
    (8.0, 2**22, 1000.0),
    (3.0, 2**16, 100.0),
    (1.5, 2**40, 0.7),
    (0.1, 1000, 12.5),
    (1e-3, 7, 1.0),
    (5.0, 8, 1e6),
    (1e100, 2**48, 1e100),
    (1e-100, 2**48, 1e-100),
    (2.5, 2**48, 3.0),
    (7.0, 65537, 65536.0),
)


def _weights(q):
    top_weight = q.top_w / q.s
    wanted = [-0.0, q.w_max, q.w_max / 3.0, 1.5 / q.s, top_weight, (top_weight + q.w_max) / 2.0]
    return [weight for weight in wanted if weight <= q.w_max]


def _updates(q, label):
    c = q.c
    ends = [c, -c, 2.0 * c, -3.0 * c, 0.0, -0.0, 5e-324]
    return ends + [real(f"update {label} {i}", -1.1, 1.1) * c for i in range(3)]


def quantizer():
    cases = []
    for number_of, settings in enumerate(QUANTIZERS):
        q = Quantizer(*settings)
        for i, weight in enumerate(_weights(q)):
            label = f"quantizer {number_of} {i}"
            cases.append(_quantized(settings, PRGS[(number_of + i) % 3], label, weight, _updates(q, label), "f64"))
    for prg in PRGS:
        short = [binary32(real(f"binary32 {prg} {i}", -3.5, 3.5)) for i in range(9)]
        cases.append(_quantized((3.0, 2**22, 64.0), prg, f"binary32 {prg}", 17.0, short, "f32"))
        many = [real(f"many {prg} {i}", -9, 9) for i in range(70)]
        cases.append(_quantized((8.0, 2**22, 1000.0), prg, f"many {prg}", 999.5, many, "f64"))
    return {"cases": cases + _refused_updates(), "means": _means()}


def _refused_updates():
    settings, huge = (8.0, 2**22, 1000.0), float("inf")
    wrong = [(-1e-300, [0.0]), (1000.0000000000001, [0.0]), (huge, [0.0]), (float("nan"), [0.0])]
    wrong += [(1.0, [0.0, huge]), (1.0, [-huge]), (1.0, [1.0, 2.0, float("nan")]), (-1.0, [huge])]
    return [_quantized(settings, 1, "refused", weight, update, "f64") for weight, update in wrong]


def _quantized(settings, prg, label, weight, update, real_type):
    q, seed = Quantizer(*settings), sample(label, 32)
    head = _quantizer_head(settings) | {"prg": prg, "rounding_seed": seed.hex(), "real": real_type}
    head |= {"weight": repr(weight), "update": reals(update)}
    return head | outcome(lambda: {"lanes": q.quantize(prg, seed, weight, update)})


def _quantizer_head(settings):
    c, q, w_max = settings
    return {"clipping_range": repr(c), "quantization_range": q, "max_weight": repr(w_max)}


def _means():
    cases = []
    for number_of, settings in enumerate(QUANTIZERS):
        q, clients = Quantizer(*settings), 3
        width = (clients * (q.q - 1)).bit_length()
        label = f"mean {number_of}"
        weights = [q.w_max / 2.0, q.w_max / 3.0, q.w_max]
        vectors = [
            q.quantize(1, sample(f"{label} {i}", 32), weight, _updates(q, f"{label} {i}"))
            for i, weight in enumerate(weights)
        ]
        sums = [sum(lanes) for lanes in zip(*vectors)]
        for real_type in ("f32", "f64"):
            cases.append(_mean(settings, clients, width, sums, real_type))
    return cases + _refused_sums()


def _refused_sums():
    settings, q = (8.0, 2**22, 1000.0), Quantizer(8.0, 2**22, 1000.0)
    middle, top_weight = 3 * q.zero, 3 * int(q.top_w)
    few_bits = _mean((8.0, 2**22, 1000.0), 3, 23, [5, middle, 0], "f64")
    sums = [
        [0, middle, 0],
        [top_weight, middle, 6 * q.zero, 3],
        [top_weight, middle, 6 * q.zero + 1, 3],
        [top_weight + 1, middle, 0],
        [2**32 - 1, middle, 0],
        [4194, middle, middle + 2100, middle - 2100, 0],
        [4194, middle, middle + 2101, 0],
        [4194, middle, middle + 2102, 0],
        [4194, middle, middle - 2101, 0],
        [4194, middle, middle - 2103, 0],
        [1, middle, middle + 4, middle - 1, 0],
        [1, 0, 0],
        [1, 2**32 - 1, 0],
        [4194, middle, 1],
        [4194, middle, 3],
        [4194, middle, 4],
        [4194, middle, 2**32 - 1],
        [4194, 2**32 - 1, 2**32 - 1],
        [4194, 0],
    ]
    return [few_bits] + _unrepresentable() + [_mean(settings, 3, 32, lanes, "f64") for lanes in sums]


def _unrepresentable():
    """Around the largest clipping range whose mean binary32 holds; and which check comes first."""
    half, middle = LARGEST_BINARY32 / 2.0, 3 * ((2**22 - 1) // 2)
    rows = [
        (half, 32, 5, "f32"),
        (math.nextafter(half, math.inf), 32, 5, "f32"),
        (math.nextafter(half, math.inf), 32, 5, "f64"),
    ]
    rows += [(1e100, 32, 0, "f32"), (1e100, 32, 2**32 - 1, "f32"), (1e100, 23, 5, "f32")]
    return [_mean((c, 2**22, 1000.0), 3, width, [weight, middle, 1], real_type) for c, width, weight, real_type in rows]


def _mean(settings, clients, width, sums, real_type):
    def read():
        total, mean, clipped = Quantizer(*settings).mean(clients, 2**width, sums, real_type == "f32")
        return {"total_weight": repr(total), "mean": reals(mean), "clipped": clipped}

    head = _quantizer_head(settings) | {"clients": clients, "width": width, "real": real_type, "sums": sums}
    return head | outcome(read)


def packing():
    cases, refused = [], []
    for width in range(1, 65):
        lanes = [number(f"packing {width} {i}", width) for i in range(4)] + [2**width - 1, 0, 2 ** (width - 1)]
        lanes = lanes[-3 - width % 5 :]
        packed = pack(lanes, width)
        assert unpack(packed, len(lanes), width) == lanes
        cases.append({"width": width, "lanes": lanes, "bytes": packed.hex()})
        refused += _refused_packings(width, lanes, packed)
    return {"cases": cases, "long": [_long_packing(width) for width in range(1, 65)], "refused": refused}


def _long_packing(width):
    """Many registers of lanes and a rest: those of a mask, cut to the width."""
    seed, count = sample(f"long packing {width}", 32), 4099
    lanes = [lane % 2**width for lane in mask(1, seed, width, 0, count)]
    packed = pack(lanes, width)
    assert unpack(packed, count, width) == lanes
    return {"width": width, "seed": seed.hex(), "count": count, "sha256": hashlib.sha256(packed).hexdigest()}


def _refused_packings(width, lanes, packed):
    wrong = [packed[:-1], packed + b"\0"] if width % 9 == 1 else []
    used = (len(lanes) * width) % 8
    assert packed_length(len(lanes), width) == len(packed)
    if used:
        wrong += [packed[:-1] + bytes([packed[-1] | 1 << bit]) for bit in sorted({used, 7})]
    rows = [(bytes_, outcome(lambda b=bytes_: {"lanes": unpack(b, len(lanes), width)})) for bytes_ in wrong]
    return [{"width": width, "count": len(lanes), "bytes": bytes_.hex()} | said for bytes_, said in rows]
