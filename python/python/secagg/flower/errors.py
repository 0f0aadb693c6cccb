"""What the Flower side of the package refuses."""

from __future__ import annotations

import re
from math import frexp, inf

from secagg import Misuse, SecaggError


class BadArrays(SecaggError, ValueError):
    """Arrays that cannot be aggregated: their dtype, names or shapes."""


class BadReply(SecaggError, ValueError):
    """A reply of the user's ClientApp that has no update or no weight where one is expected."""


class TooHeavy(BadReply):
    """An update whose weight (number of examples) is above the largest that the round takes.

    The message names a power of two that would do: the first that is no less than the weight, and
    all that a server learns of it.
    """

    @classmethod
    def of(cls, weight: float, largest: float) -> TooHeavy:
        """The error of a client whose update has this weight, where the round takes weights up to
        `largest`."""
        needed = power_of_two_above(weight)
        what = f"raise max_weight on the server, to max_weight={needed:.17g}"
        if needed == inf:
            what = "no max_weight has room for it, so weight updates by smaller numbers"
        return cls(f"the weight of the update is above {largest:g}, the largest that the round takes: {what}")

    @classmethod
    def needed(cls, reason: str, largest: float) -> float | None:
        """The weight above `largest` that such a client named in the reason of its reply; None for
        any other reason."""
        found = re.search(rf"{cls.__name__}: .* max_weight=([0-9.e+]+)$", reason)
        try:
            weight = float(found[1]) if found else inf
        except ValueError:
            return None
        return weight if largest < weight < inf else None


def power_of_two_above(weight: float) -> float:
    """The least power of two that is no less than a weight above zero; infinity where no float
    is."""
    fraction, exponent = frexp(weight)
    power = exponent - (fraction == 0.5)
    return 2.0**power if power < 1024 else inf


class UnsuitableStrategy(SecaggError, TypeError):
    """A strategy that looks at the updates of single clients, which secure aggregation hides."""


class PlainMessage(SecaggError):
    """A message to this client, or its answer, that would show the server what it should not see."""


class NotAgreed(SecaggError):
    """The server sent another model, or other terms, than those that all clients agreed on."""


class RoundFailed(SecaggError):
    """A round ended without a result.

    Attributes
    ----------
    failures : dict of int to str
        By node, why it is not in the result, where it is known.
    """

    def __init__(self, message: str, failures: dict[int, str]) -> None:
        super().__init__(message)
        self.failures = failures

    @classmethod
    def of_run(cls, last: RoundFailed) -> RoundFailed:
        """The end of a run of several rounds of which none had a mean."""
        message = f"no round of the run had a mean, so there is no model but the initial one. The last: {last}"
        return cls(message, last.failures)

def is_ours(reason: str) -> bool:
    """Whether the reason of an error reply is one that a mod of this package gave."""
    return reason.partition(":")[0] in _names(SecaggError)


def _names(error: type[Exception]) -> set[str]:
    return {error.__name__}.union(*map(_names, error.__subclasses__()))


class AllTooHeavy(RoundFailed, Misuse):
    """A round in which the weight of no client fitted. It is raised where no round of the run has
    had a mean."""
