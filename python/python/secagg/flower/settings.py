"""The parameters of secure aggregation as Flower's users give them, before a cohort is known."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Any

from secagg import Params

from ._records import LOG
from .ranges import Ranges


@dataclass(frozen=True)
class Settings:
    """Flower's parameters, by Flower's names and with its defaults; checked as far as they can be.

    Integers are taken where floats are due. A one that is an integer means the fraction 1.0, as in Flower.
    """

    num_shares: int | float
    reconstruction_threshold: int | float
    max_weight: float = 1000.0
    clipping_range: float = 8.0
    quantization_range: int = 4194304
    modulus_range: int = 4294967296
    timeout: float | None = None
    skip: tuple[str, ...] = ()
    """Patterns of arrays that are not averaged; see `secagg.flower.ranges`."""
    ranges: Ranges = ()
    """Patterns of arrays with clipping ranges of their own."""

    def __post_init__(self) -> None:
        self._set("num_shares", _amount("num_shares", self.num_shares, least=3))
        threshold = _amount("reconstruction_threshold", self.reconstruction_threshold, least=2)
        self._set("reconstruction_threshold", threshold)
        counts = isinstance(threshold, int) and isinstance(self.num_shares, int)
        if counts and threshold >= self.num_shares:
            raise ValueError("`reconstruction_threshold` must be less than `num_shares`.")
        for name in ("max_weight", "clipping_range"):
            self._set(name, _positive(name, getattr(self, name)))
        if self.timeout is not None:
            self._set("timeout", _positive("timeout", self.timeout))
        self._check_ranges()

    def params(self, cohort_size: int, dimension: int) -> Params:
        """The parameters of a round of this size.

        Raises
        ------
        secagg.Misuse
            If they do not fit the size; the message says what to change.
        """
        shares = self.num_shares
        if isinstance(shares, int) and shares > cohort_size:
            LOG.warning(
                "num_shares=%d: the cohort has %d clients, so all are neighbours", shares, cohort_size
            )
            shares = cohort_size
        if isinstance(shares, float):
            shares = min(max(shares, 3 / cohort_size), 1.0)
        return Params.secagg_plus(
            cohort_size,
            dimension,
            shares,
            self.reconstruction_threshold,
            clipping_range=self.clipping_range,
            quantization_range=self.quantization_range,
            max_weight=self.max_weight,
            modulus_range=self.modulus_range,
        )

    def _check_ranges(self) -> None:
        quantization, modulus = self.quantization_range, self.modulus_range
        if type(quantization) is not int or quantization < 2:
            raise ValueError("`quantization_range` must be an integer and greater than 1.")
        if type(modulus) is not int or modulus <= quantization:
            raise ValueError("`modulus_range` must be an integer and greater than `quantization_range`.")
        if modulus.bit_count() != 1:
            raise ValueError("`modulus_range` must be a power of 2.")

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)


def _amount(name: str, value: Any, least: int) -> int | float:
    """A count or a fraction; the integer 1 is the fraction."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"`{name}` must be of type int or float.")
    if isinstance(value, int) and value != 1:
        if value < least:
            raise ValueError(f"`{name}` as an integer must be at least {least}.")
        return value
    if not 0 < value <= 1:
        raise ValueError(f"`{name}` as a float must be greater than 0 and at most 1.")
    return float(value)


def _positive(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"`{name}` must be of type int or float.")
    if not (isfinite(value) and value > 0):
        raise ValueError(f"`{name}` must be greater than 0.")
    return float(value)
