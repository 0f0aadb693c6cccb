"""Section 9. Python's float is IEEE 754 binary64, rounded after each operation."""

import math
import struct
import sys

from .prg import keystream

LARGEST_BINARY32 = (2.0 - 2.0**-23) * 2.0**127


class Quantizer:
    def __init__(self, clipping_range, quantization_range, max_weight):
        self.c, self.q, self.w_max = clipping_range, quantization_range, max_weight
        self.zero = (quantization_range - 1) // 2
        top = float(2 * self.zero)
        self.s = top / max_weight
        self.floored = self.s >= 1.0 and max_weight == math.floor(max_weight)
        if self.floored:
            self.s = float(math.floor(self.s))
        self.top_w = max_weight * self.s if self.floored else top

    def quantize(self, prg, rounding_seed, weight, update):
        if not 0.0 <= weight <= self.w_max:
            raise ValueError("InvalidWeight")
        noise = _noise(prg, rounding_seed, 1 + len(update))
        if not all(math.isfinite(x) for x in update):
            raise ValueError("NonFinite")
        lanes = weight * self.s
        whole = float(round(lanes))  # ties to even
        lane0 = _round(lanes - whole, noise[0], -whole, self.top_w - whole, int(whole))
        zero = float(self.zero)
        reach = zero * (lane0 / self.s / self.w_max)
        a = reach / self.c
        if self.c * a < reach:
            a = math.nextafter(a, math.inf)
        products = [min(max(x * a, -reach), reach) for x in update]
        elements = [_round(y, r, -zero, zero, self.zero) for y, r in zip(products, noise[1:])]
        return [lane0, *elements, int(any(abs(x) > self.c for x in update))]

    def mean(self, clients, modulus, sums, binary32=False):
        """The total weight, the mean and how many clients clipped, from the sums of all lanes."""
        self._check_sums(clients, modulus, sums[0], LARGEST_BINARY32 if binary32 else sys.float_info.max)
        zero, total = float(self.zero), float(sums[0]) / self.s
        factor = (self.c / zero) * (self.w_max / total)
        honest = zero * (total / self.w_max) + float(clients) * (1.0 + zero * 2.0**-50)
        largest = honest * (1.0 + 2.0**-40)
        offsets = [self._offset(clients, lane, largest) for lane in sums[1:-1]]
        if sums[-1] > clients:
            raise ValueError("SumOutOfRange")
        mean = [min(max(offset * factor, -self.c), self.c) for offset in offsets]
        return total, [to_binary32(x) for x in mean] if binary32 else mean, sums[-1]

    def _check_sums(self, clients, modulus, weight_sum, largest):
        if clients * (self.q - 1) >= modulus:
            raise ValueError("SumOverflow")
        if self.c > largest / 2.0:
            raise ValueError("NotRepresentable")
        if weight_sum > clients * int(self.top_w):
            raise ValueError("SumOutOfRange")
        if weight_sum == 0:
            raise ValueError("ZeroTotalWeight")

    def _offset(self, clients, lane, largest):
        offset = float(lane - clients * self.zero)
        if lane > clients * 2 * self.zero or abs(offset) > largest:
            raise ValueError("SumOutOfRange")
        return offset


def to_binary32(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]


def _noise(prg, seed, lanes):
    stream = keystream(prg, seed, 0, 4 * lanes)
    return [(v + 0.5) * 2.0**-32 for (v,) in struct.iter_unpack("<i", stream)]


def _round(y, r, low, high, zero):
    z = y + r
    if not z > low:
        z = low
    if not z < high:
        z = high
    return int(z + float(2**52 + zero)) - 2**52  # a whole number from 2^52 on: rounded once, ties to even
