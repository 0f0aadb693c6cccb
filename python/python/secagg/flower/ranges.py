"""Which arrays a pattern names, and how an array of one range travels in lanes of another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from math import isfinite, nextafter
from numbers import Real
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Key: TypeAlias = tuple[str, str]
"""The names of a record and of an array in it."""

Ranges: TypeAlias = tuple[tuple[str, float], ...]
"""Patterns, each with the clipping range of the arrays that it is the first to match."""

REST = "*"
"""The pattern of the arrays that no other one matches, wherever it stands."""

FURTHEST = 1e18
"""How many times two ranges may differ: float32 holds twice as many powers of ten."""

DEFAULT = 8.0
"""The clipping range of arrays that no pattern matches: Flower's default."""


def patterns(skip: Sequence[str]) -> tuple[str, ...]:
    """The patterns of arrays that are not averaged.

    Raises
    ------
    TypeError
        If they are a string, or hold anything but strings.
    """
    if isinstance(skip, str) or not all(isinstance(pattern, str) for pattern in skip):
        raise TypeError(f"`skip` must be a list of patterns, such as ['*.num_batches_tracked'], not {skip!r}")
    return tuple(skip)


def ranges_of(clipping_range: float | Mapping[str, float]) -> tuple[Any, Ranges]:
    """The round's own clipping range, and those of arrays that have others.

    Raises
    ------
    TypeError, ValueError
        For a pattern that is no string, or a range that is no number above zero.
    """
    if not isinstance(clipping_range, Mapping):
        return clipping_range, ()
    for pattern, bound in clipping_range.items():
        if not isinstance(pattern, str):
            raise TypeError(f"`clipping_range` maps patterns to numbers; {pattern!r} is no string")
        if isinstance(bound, bool) or not isinstance(bound, Real):
            raise TypeError(f"`clipping_range` of {pattern!r} must be of type int or float, not {bound!r}")
        if not (isfinite(bound) and bound > 0):
            raise ValueError(f"`clipping_range` of {pattern!r} must be greater than 0, not {bound}")
    rest = float(clipping_range.get(REST, DEFAULT))
    others = [(pattern, float(bound)) for pattern, bound in clipping_range.items() if pattern != REST]
    for pattern, bound in others:
        if not 1 / FURTHEST <= bound / rest <= FURTHEST:
            raise ValueError(
                f"`clipping_range` of {pattern!r} is {bound:g}, more than {FURTHEST:g} times another than that of the "
                f"rest, {rest:g}: one round cannot hold both"
            )
    return rest, tuple(others)


def is_skipped(key: Key, skip: Iterable[str]) -> bool:
    """Whether a pattern names an array, and none that begins with ``!`` excepts it."""
    named = {pattern.startswith("!") for pattern in skip if matches(pattern.removeprefix("!"), key)}
    return named == {False}


def bound_of(key: Key, ranges: Ranges) -> float | None:
    """The clipping range of an array, or None for the round's."""
    return next((bound for pattern, bound in ranges if matches(pattern, key)), None)


def matches(pattern: str, key: Key) -> bool:
    """Whether a pattern is of an array: by its name, or by ``record/name``."""
    names = (key[1], "/".join(key))
    return any(name == pattern or fnmatchcase(name, pattern) for name in names)


def idle(keys: Sequence[Key], skip: Sequence[str], ranges: Ranges) -> list[str]:
    """Patterns that decide nothing, each with why, as they are likely misspelt."""
    bare = [pattern for pattern in skip if not any(matches(pattern.removeprefix("!"), key) for key in keys)]
    words = [f"skip: {pattern!r} matches no array" for pattern in bare]
    left = [key for key in keys if not is_skipped(key, skip)]
    for pattern, _ in ranges:
        if not any(matches(pattern, key) for key in left):
            words.append(f"clipping_range: {pattern!r} matches no array that skip and earlier patterns leave")
        left = [key for key in left if not matches(pattern, key)]
    return words


def factor(clipping_range: float, bound: float) -> float:
    """The multiplier that fits an array's own range into the round's; rounding never takes it
    beyond."""
    scale = clipping_range / bound
    for _ in range(2):
        if bound * scale > clipping_range:
            scale = nextafter(scale, 0.0)
    return scale


def scaled(numbers: Any, clipping_range: float, bound: float) -> NDArray[np.float64]:
    """Numbers of one range as lanes of another, in 64 bits.

    A finite number stays finite: beyond the range it is clipped, however large it is.
    """
    with np.errstate(over="ignore"):
        lanes = np.asarray(np.multiply(numbers, factor(clipping_range, bound), dtype=np.float64))
    if clipping_range > bound:
        beyond = np.isinf(lanes) & np.isfinite(numbers)
        lanes[beyond] = np.copysign(np.finfo(np.float64).max, lanes[beyond])
    return lanes
