"""What a user of Flower can change where a mean is imprecise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import floor, log10

from secagg import Imprecise, Params

from .layout import Layout, Numbers, Part
from .settings import Settings

MARGIN = 0.5
"""The part of the limit that a remedy aims at: the next mean's weights are rounded anew."""

OF_CLIPPING_RANGE = 0.01
"""The part of the clipping range from which on a bound is worth a warning."""

HALFWAY_TO_TIE = 0.25
"""The error from which on an integer, rounded, may be another one."""

MOST_NAMED = 5
"""Arrays that one warning names."""

REMEDIES = (
    "a clipping_range of their own that is nearer to their values, lower max_weight, raise modulus_range "
    'with quantization_range="auto", or name them in skip'
)


def of_arrays(layout: Layout, mean: Numbers, clipping_range: float, error_bound: float) -> Iterator[str]:
    """Warnings of the arrays that are no more than error, of integers that may not be those of the
    mean, and of arrays that are all zeros where others are not.

    `mean` is the vector, and `error_bound` that of its elements. For an array with a range of its
    own it is as many times more or less as that range is wider or narrower.
    """
    noisy, zeros = [], []
    for part, place in layout.places():
        if not part.size:
            continue
        scale, lanes = (part.bound or clipping_range) / clipping_range, mean[place]
        largest, error = max(float(lanes.max()), -float(lanes.min())) * scale, error_bound * scale
        if part.dtype.kind in "iub":
            if error >= HALFWAY_TO_TIE:
                kind = "bools" if part.dtype.kind == "b" else "integers"
                noisy.append(f"{layout.label(part)} holds {kind}, which may be off by {error:.2g}")
        elif largest == 0:
            zeros.append(f"{layout.label(part)} ({error:.2g})")
        elif largest <= error:
            noisy.append(f"{layout.label(part)} may be off by {error:.2g}, and its largest element is {largest:.2g}")
    if noisy:
        yield f"the mean is imprecise in some arrays: {_first('; ', noisy)}. Give them {REMEDIES}"
    if zeros and mean.any():
        yield (
            "some arrays of the mean are all zeros, and elements up to the number behind each may be lost in them: "
            f"{_first(', ', zeros)}. If they are not zero, give them {REMEDIES}"
        )


def _first(separator: str, words: list[str]) -> str:
    """As many as one warning names, and how many more there are."""
    more = f"; and {len(words) - MOST_NAMED} arrays more" if len(words) > MOST_NAMED else ""
    return separator.join(words[:MOST_NAMED]) + more


def advice(found: Imprecise, settings: Settings, params: Params, clipped: int = 0) -> str:
    """A sentence with the parameters that would make a mean precise, by the names and in the units
    of the settings.

    The exception's own message has those of the round, whose `max_weight` and levels follow from
    the settings. `clipped` is the number of clients that clipped.
    """
    of_range = found.error_bound >= OF_CLIPPING_RANGE * params.clipping_range
    if not (found.limit > 0 or of_range):
        return (
            f"all elements of the mean are 0, give or take {found.error_bound:.2g}: lower "
            "clipping_range or max_weight if they should not be"
        )
    # A mean of nothing but zeros has no largest element to be precise beside.
    limit = MARGIN * (found.limit or OF_CLIPPING_RANGE * params.clipping_range)
    beside = f"clipping_range is {params.clipping_range:g}" if of_range else "all elements are small"
    remedies = [
        *_lower_weight(found, limit, settings, params),
        # Beside the clipping range itself, every clipping range is as precise.
        *([] if of_range or clipped else [_lower_range(found, limit, settings)]),
        *_larger_modulus(found, limit, settings, params),
    ]
    words = f"elements of the mean may be off by {found.error_bound:.2g}, where {beside}"
    return f"{words}: {', or '.join(remedies)}" if remedies else words


def _lower_weight(found: Imprecise, limit: float, settings: Settings, params: Params) -> Iterator[str]:
    """None where the average weight is already above what would do."""
    lower = _below(settings.max_weight * limit / found.error_bound)
    average = _per_client(params) / found.error_bound
    if lower >= average:
        yield f"lower max_weight to {lower:g} if no client's weight is above that"


def _lower_range(found: Imprecise, limit: float, settings: Settings) -> str:
    """All elements of the mean fit: the limit is a tenth of the largest, and the bound below 1 % of
    the range."""
    part = _below(limit / found.error_bound)
    if settings.ranges:
        return f"multiply every clipping_range by {part:g} if no element is beyond that"
    return f"lower clipping_range to {_below(settings.clipping_range * part):g} if no element is beyond that"


def _below(value: float) -> float:
    """The next number of two digits, which is no larger."""
    unit = 10.0 ** (floor(log10(value)) - 1)
    return float(f"{floor(value / unit) * unit:.1e}")


def _larger_modulus(found: Imprecise, limit: float, settings: Settings, params: Params) -> Iterator[str]:
    """The least modulus that would do, with as many levels as it has room for."""
    for width in range(params.width, 65):
        larger = replace(settings, quantization_range="auto", modulus_range=2**width)
        other = larger.params(params.cohort_size, params.dimension, quietly=True)
        if found.error_bound * _per_client(other) / _per_client(params) < limit:
            yield f'set modulus_range to 2**{width} and quantization_range to "auto"'
            return


def _per_client(params: Params) -> float:
    """The bound where the weight of each client is 1 on average; it falls with that weight."""
    return params.error_bound(1, 1.0, exact_weights=False)
