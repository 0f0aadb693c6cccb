"""The parameters of secure aggregation as Flower's users give them, before a cohort is known."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from numbers import Integral, Real
from typing import Any, Literal

from secagg import Misuse, Params
from secagg.kernels import Quantizer

from ._records import LOG
from .ranges import Ranges

FLOWERS_LEVELS = 2**22
"""Flower's default quantization range: the fewest levels that ``quantization_range="auto"`` keeps
for `max_weight`, where there is room for them."""

FEWEST_LEVELS = 7
"""Three on each side of zero, the fewest that the quantizer takes for any weight."""

HEADROOM = 32
"""With ``quantization_range="auto"``: how many times `max_weight` a weight may be, where there is
room."""


@dataclass(frozen=True)
class Settings:
    """Flower's parameters, by Flower's names and with its defaults; checked as far as they can be.

    Integers are taken where floats are due, and numpy's scalars for Python's. A one that is an
    integer means the fraction 1.0, as in Flower.
    """

    num_shares: int | float
    reconstruction_threshold: int | float
    max_weight: float = 1000.0
    clipping_range: float = 8.0
    quantization_range: int | Literal["auto"] = FLOWERS_LEVELS
    modulus_range: int = 4294967296
    timeout: float | None = None
    skip: tuple[str, ...] = ()
    """Patterns of arrays that are not averaged; see `secagg.flower.ranges`."""
    ranges: Ranges = ()
    """Patterns of arrays with clipping ranges of their own."""
    counts_itself: bool = False
    """Whether `num_shares` counts the client itself, as Flower does, or its neighbours alone."""

    def __post_init__(self) -> None:
        self._set("num_shares", amount("num_shares", self.num_shares, least=3))
        threshold = amount("reconstruction_threshold", self.reconstruction_threshold, least=2)
        self._set("reconstruction_threshold", threshold)
        counts = isinstance(threshold, int) and isinstance(self.num_shares, int)
        if counts and threshold >= self.num_shares:
            raise ValueError("`reconstruction_threshold` must be less than `num_shares`.")
        for name in ("max_weight", "clipping_range"):
            self._set(name, positive(name, getattr(self, name)))
        if self.timeout is not None:
            self._set("timeout", positive("timeout", self.timeout))
        self._check_ranges()

    def params(self, cohort_size: int, dimension: int, *, quietly: bool = False) -> Params:
        """The parameters of a round of this size; `quietly` where they are tried and no round is
        opened.

        Their `max_weight` is the largest that there is room for. A fraction gives an even number of
        neighbours, or all: of an odd number, clients with assumptions count one less or one more.

        Raises
        ------
        secagg.Misuse
            If they do not fit the size; the message says what to change.
        """
        if not quietly:
            self._warn_of_cohort(cohort_size)
        shares, threshold = self._flowers_graph(cohort_size) if self.counts_itself else self._graph(cohort_size)
        params = self._params(cohort_size, dimension, shares, threshold)
        if isinstance(shares, float) and params.degree % 2 == 1 and params.degree < cohort_size - 1:
            params = self._params(cohort_size, dimension, params.degree + 1, threshold)
        return params

    def _params(
        self, cohort_size: int, dimension: int, shares: int | float, threshold: int | float
    ) -> Params:
        quantization_range, max_weight = self._room(cohort_size)
        return Params.secagg_plus(
            cohort_size,
            dimension,
            shares,
            threshold,
            clipping_range=self.clipping_range,
            quantization_range=quantization_range,
            max_weight=max_weight,
            modulus_range=self.modulus_range,
        )

    def flowers_num_shares(self, cohort_size: int) -> int:
        """Shares of each secret as Flower counts them: the client itself included, and odd in a
        sparse graph."""
        shares = self.num_shares
        if isinstance(shares, float):
            shares = round(shares * cohort_size)
        if shares < cohort_size and shares % 2 == 0:
            shares += 1
        return cohort_size if shares <= 2 else min(shares, cohort_size)

    def _flowers_graph(self, cohort_size: int) -> tuple[int, int | float]:
        """Neighbours and threshold for Flower's numbers.

        Flower's client keeps a share of its own secret, ours does not. Two neighbours stand in for
        that share where there are so many: then the threshold, and with it the number of colluders
        that is tolerated, is Flower's, and no fewer rounds survive.
        """
        shares = self.flowers_num_shares(cohort_size)
        neighbours = min(shares + 1, cohort_size - 1)
        threshold = self.reconstruction_threshold
        if isinstance(threshold, float):
            threshold = max(round(threshold * shares), 2)
        # All of Flower's shares are the client's own and those of all others.
        return max(neighbours, 2), neighbours if threshold == shares == cohort_size else threshold

    def _graph(self, cohort_size: int) -> tuple[int | float, int | float]:
        shares = self.num_shares
        if isinstance(shares, float):
            return min(max(shares, 3 / cohort_size), 1.0), self.reconstruction_threshold
        return min(shares, cohort_size), self.reconstruction_threshold

    def _room(self, cohort_size: int) -> tuple[int | Literal["auto"], float]:
        """Levels and the largest weight, where the modulus has room for several times the levels
        that were asked for, or for several times Flower's with "auto".

        Levels for `max_weight` become finer first, twice or four times. The rest of the room is for
        larger weights, which have levels of the same width. With "auto" no weight is larger than
        `HEADROOM` times `max_weight`, and what that leaves makes all levels finer.
        """
        width = self.modulus_range.bit_length() - 1
        most = Quantizer.largest_for(width, cohort_size) if width <= 64 else None
        if most is None:  # `Params` says why.
            return self.quantization_range, self.max_weight
        asked = FLOWERS_LEVELS if self.quantization_range == "auto" else self.quantization_range
        times = max((most - 1) // (asked - 1), 1)
        heavier = times // _finer(times)
        if self.quantization_range == "auto":
            return "auto", self.max_weight * min(heavier, HEADROOM)
        return times * (asked - 1) + 1, self.max_weight * heavier

    def _warn_of_cohort(self, cohort_size: int) -> None:
        if isinstance(self.num_shares, int) and self.num_shares > cohort_size:
            LOG.warning(
                "num_shares=%d: the cohort has %d clients, so all are neighbours", self.num_shares, cohort_size
            )

    def least_cohort(self, dimension: int = 1, above: int = 0) -> int | None:
        """The smallest cohort above a size that these parameters fit; None if they fit none."""
        sizes = [*range(max(above + 1, 3), 256), *(2**power for power in range(8, 17))]
        return next((size for size in sizes if size > above and self._fits(size, dimension)), None)

    def _fits(self, cohort_size: int, dimension: int) -> bool:
        try:
            self.params(cohort_size, dimension, quietly=True)
        except Misuse:
            return False
        return True

    def _check_ranges(self) -> None:
        quantization, modulus = self.quantization_range, self.modulus_range
        if quantization != "auto":
            if not _is_integer(quantization) or quantization < FEWEST_LEVELS:
                raise ValueError(
                    f"`quantization_range` must be an integer and at least {FEWEST_LEVELS}, or \"auto\", not {quantization!r}: "
                    "with fewer levels, a mean may be off by the whole clipping range."
                )
            self._set("quantization_range", int(quantization))
        least = 1 if quantization == "auto" else int(quantization)
        if not _is_integer(modulus) or modulus <= least:
            raise ValueError("`modulus_range` must be an integer and greater than `quantization_range`.")
        self._set("modulus_range", int(modulus))
        if self.modulus_range.bit_count() != 1:
            raise ValueError("`modulus_range` must be a power of 2.")

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)


def _finer(times: int) -> int:
    """How many times as fine levels become where there is room for `times` as many: at most the
    root of that, and twice where it can be."""
    return 4 if times >= 16 else min(times, 2)


def amount(name: str, value: Any, least: int) -> int | float:
    """A count or a fraction; the integer 1 is the fraction."""
    value = _number(name, value)
    if isinstance(value, int) and value != 1:
        if value < least:
            raise ValueError(f"`{name}` as an integer must be at least {least}.")
        return value
    if not 0 < value <= 1:
        raise ValueError(f"`{name}` as a float must be greater than 0 and at most 1.")
    return float(value)


def positive(name: str, value: Any) -> float:
    """A number above zero."""
    value = _number(name, value)
    if not (isfinite(value) and value > 0):
        raise ValueError(f"`{name}` must be greater than 0.")
    return float(value)


def _number(name: str, value: Any) -> int | float:
    """A number of Python's own types, from whatever number it is given as, numpy's scalars
    included."""
    if isinstance(value, Real) and not isinstance(value, bool):
        return int(value) if isinstance(value, Integral) else float(value)
    raise TypeError(f"`{name}` must be of type int or float.")


def _is_integer(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)
