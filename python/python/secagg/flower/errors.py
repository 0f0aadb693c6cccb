"""What the Flower side of the package refuses."""

from __future__ import annotations

from secagg import SecaggError


class BadArrays(SecaggError, ValueError):
    """Arrays that cannot be aggregated: their dtype, names or shapes."""


class BadReply(SecaggError, ValueError):
    """A reply of the user's ClientApp that has no update or no weight where one is expected."""


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
