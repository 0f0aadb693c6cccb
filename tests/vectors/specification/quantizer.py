"""Section 9. Python's float is IEEE 754 binary64, rounded after each operation."""

import math
import struct
import sys

from .prg import keystream

LARGEST_BINARY32 = (2.0 - 2.0**-23) * 2.0**127


class Quantizer:
    def __init__(self, clipping_range, quantization_range, max_weight):
        self.c, self.q, self.w_max = clipping_range, quantization_range, max_weight
        self.top = float(quantization_range - 1)
        self.h = self.top / 2.0
        self.s = self.top / max_weight
        self.floored = self.s >= 1.0 and max_weight == math.floor(max_weight)
        if self.floored:
            self.s = float(math.floor(self.s))
        self.top_w = max_weight * self.s if self.floored else self.top

    def quantize(self, prg, rounding_seed, weight, update):
        if not 0.0 <= weight <= self.w_max:
            raise ValueError("InvalidWeight")
        noise = _noise(prg, rounding_seed, 1 + len(update))
        if not all(math.isfinite(x) for x in update):
            raise ValueError("NonFinite")
        lane0 = _round(weight * self.s, noise[0], self.top_w)
        rounded_weight = lane0 / self.s
        a = (rounded_weight / self.w_max) * (self.top / (2.0 * self.c))
        clipped = [min(max(x, -self.c), self.c) for x in update]
        return [lane0] + [_round(x * a + self.h, r, self.top) for x, r in zip(clipped, noise[1:])]

    def mean(self, clients, modulus, sums, binary32=False):
        """The total weight and the mean, from the sums of all lanes."""
        self._check_sums(clients, modulus, sums[0], LARGEST_BINARY32 if binary32 else sys.float_info.max)
        total = float(sums[0]) / self.s
        factor = ((2.0 * self.c) / self.top) * (self.w_max / total)
        honest = (self.top / 2.0) * (total / self.w_max) + float(clients) * (1.0 + self.top * 2.0**-50)
        largest = honest * (1.0 + 2.0**-40)
        mean = [self._element(clients, index, lane, largest) * factor for index, lane in enumerate(sums[1:], 1)]
        return total, [to_binary32(x) for x in mean] if binary32 else mean

    def _check_sums(self, clients, modulus, weight_sum, largest):
        if clients * (self.q - 1) >= modulus:
            raise ValueError("SumOverflow")
        if self.c > largest / 2.0:
            raise ValueError("NotRepresentable")
        if weight_sum > clients * int(self.top_w):
            raise ValueError("SumOutOfRange")
        if weight_sum == 0:
            raise ValueError("ZeroTotalWeight")

    def _element(self, clients, index, lane, largest):
        centred = float(2 * lane - clients * (self.q - 1)) * 0.5
        if lane > clients * (self.q - 1) or abs(centred) > largest:
            raise ValueError("SumOutOfRange")
        return centred


def to_binary32(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]


def _noise(prg, seed, lanes):
    stream = keystream(prg, seed, 0, 4 * lanes)
    return [(v + 0.5) * 2.0**-32 for (v,) in struct.iter_unpack("<i", stream)]


def _round(y, r, top):
    z = y + r
    if not z > 0.0:
        z = 0.0
    if not z < top:
        z = top
    return round(z)  # ties to even
