"""What a user of Flower can change where a mean is imprecise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import floor, log10

from secagg import Imprecise, Params

from .settings import Settings


def advice(found: Imprecise, settings: Settings, params: Params) -> str:
    """A sentence with the parameters that would make a mean precise, by the names and in the units of the settings.

    The exception's own message has those of the round, whose `max_weight` and levels follow from the settings.
    """
    of_range = found.error_bound >= 0.01 * params.clipping_range
    beside = f"clipping_range is {params.clipping_range:g}" if of_range else "all elements are small"
    remedies = ", or ".join([*_lower_weight(found, settings, params), *_larger_modulus(found, settings, params)])
    return f"elements of the mean may be off by {found.error_bound:.2g}, where {beside}: {remedies}"


def _lower_weight(found: Imprecise, settings: Settings, params: Params) -> Iterator[str]:
    """None where the average weight is already above what would do."""
    lower = settings.max_weight * found.limit / found.error_bound
    unit = 10.0 ** (floor(log10(lower)) - 1)
    lower = float(f"{floor(lower / unit) * unit:.1e}")
    average = _per_client(params) / found.error_bound
    if lower >= average:
        yield f"lower max_weight to {lower:g} if no client's weight is above that"


def _larger_modulus(found: Imprecise, settings: Settings, params: Params) -> Iterator[str]:
    """The least modulus that would do, with as many levels as it has room for."""
    for width in range(params.width, 65):
        larger = replace(settings, quantization_range="auto", modulus_range=2**width)
        other = larger.params(params.cohort_size, params.dimension, quietly=True)
        if found.error_bound * _per_client(other) / _per_client(params) < found.limit:
            yield f'set modulus_range to 2**{width} and quantization_range to "auto"'
            return


def _per_client(params: Params) -> float:
    """The bound where the weight of each client is 1 on average; it falls with that weight."""
    return params.error_bound(1, 1.0, exact_weights=False)
