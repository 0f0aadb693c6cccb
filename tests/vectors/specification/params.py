"""Section 3: parameters, their checks and their 52 bytes."""

import math
from dataclasses import dataclass
from fractions import Fraction

from .encoding import f64, u8, u32, u64, word_bytes
from .prg import LIMIT, PRGS
from .quantizer import Quantizer

CURIOUS, ACTIVE = 0, 1
SUITE = 1


@dataclass
class Params:
    cohort_size: int
    dimension: int
    degree: int
    threshold: int
    clipping_range: float
    quantization_range: int
    max_weight: float
    width: int
    prg: int
    threat_model: int
    corrupted_neighbours: int

    @property
    def quorum(self):
        """Confirmations that a client asks for, its own included (section 3)."""
        half = (self.cohort_size + self.cohort_size * self.corrupted_neighbours // self.degree) // 2 + 1
        return max(half, self.threshold + 1)

    def encode(self):
        head = u8(SUITE) + u32(self.cohort_size) + u64(self.dimension) + u32(self.degree) + u32(self.threshold)
        numbers = f64(self.clipping_range) + u64(self.quantization_range) + f64(self.max_weight)
        tail = u8(self.width) + u8(self.prg) + u8(self.threat_model) + u32(self.corrupted_neighbours)
        return head + numbers + tail

    @property
    def active(self):
        return self.threat_model == ACTIVE

    @property
    def modulus(self):
        return 2**self.width

    def quantizer(self):
        return Quantizer(self.clipping_range, self.quantization_range, self.max_weight)


def count(amount, whole):
    """An int is a count; a float is a fraction of `whole`."""
    if isinstance(amount, int):
        return amount
    if not 0.0 < amount <= 1.0:
        raise ValueError("Fraction")
    e = amount * float(whole)
    return math.ceil(e - e * 1e-12)


def most_neighbours(degree, cohort_size):
    """k'."""
    return min(degree + degree % 2, cohort_size - 1)


def _degree(num_shares, cohort_size):
    odd = num_shares % 2 == 1 and cohort_size % 2 == 1
    return min(num_shares + odd, cohort_size - 1)


def _corrupted(threshold, most, active):
    return max(0, min(threshold - 1, 2 * threshold - most - 1)) if active else threshold - 1


def build(
    cohort_size, dimension, threshold, num_shares=None, width=32, clipping_range=8.0, quantization_range=2**22,
    max_weight=1000.0, prg=1, threat_model=CURIOUS, corrupted_neighbours=None,
):  # fmt: skip
    """Makes every check of the table, in its order; the name of the first error is raised as ValueError."""
    _require(cohort_size >= 3, "CohortSize")
    num_shares = cohort_size - 1 if num_shares is None else count(num_shares, cohort_size)
    _require(2 <= num_shares <= cohort_size, "NumShares")
    degree = _degree(num_shares, cohort_size)
    threshold = count(threshold, degree)
    _require(2 <= threshold <= degree, "Threshold")
    most, active = most_neighbours(degree, cohort_size), threat_model == ACTIVE
    corrupted = _corrupted(threshold, most, active) if corrupted_neighbours is None else corrupted_neighbours
    _require(threshold > corrupted and (not active or 2 * threshold > most + corrupted), "CorruptedNeighbours")
    _require(1 <= width <= 64, "Modulus")
    _require(1e-100 <= clipping_range <= 1e100, "Quantizer")
    if quantization_range == "auto":
        quantization_range = min((2**width - 1) // cohort_size + 1, 2**48)
        _require(quantization_range >= 7, "NoRoom")
    _require(7 <= quantization_range <= 2**48, "Quantizer")
    _require(1e-100 <= max_weight <= 1e100, "Quantizer")
    _require(cohort_size * (quantization_range - 1) < 2**width, "Overflow")
    _require(Fraction(dimension + 1) < Fraction(LIMIT[prg], max(4, word_bytes(width))), "Dimension")
    assert prg in PRGS
    return Params(
        cohort_size, dimension, degree, threshold, clipping_range, quantization_range, max_weight, width, prg,
        threat_model, corrupted,
    )  # fmt: skip


def _require(holds, error):
    if not holds:
        raise ValueError(error)
