"""What can go wrong, sorted by who is to blame."""

from __future__ import annotations

from collections.abc import Sequence


class SecaggError(Exception):
    """Anything that this package refuses to do.

    Attributes
    ----------
    rule : str
        The rule that was broken, by its name in the Rust crates, for example ``"Duplicate"``; empty
        where there is none. The message says in words what is wrong and what to change.
    """

    def __init__(self, message: str, rule: str = "") -> None:
        super().__init__(message)
        self.rule = rule


class Misuse(SecaggError, ValueError):
    """The caller asked for what cannot be done: parameters, a cohort or a call that do not fit."""


class Rejected(SecaggError):
    """The server's verdict on one client's message: it is ignored, and the stage goes on.

    Attributes
    ----------
    client : int
        Who sent the message.
    """

    def __init__(self, message: str, rule: str = "", client: int = 0) -> None:
        super().__init__(message, rule)
        self.client = client


class Malformed(Rejected):
    """The bytes are no message of this stage."""


class Misbehaved(Rejected):
    """The message is well formed and breaks a rule of the protocol."""


class Refused(SecaggError):
    """A client left the round. Its secrets are wiped by the time this is raised."""


class ServerMisbehaved(Refused):
    """The server sent bytes that are no message of this stage, or that break a rule."""


class BadUpdate(Refused, ValueError):
    """The update or its weight cannot be masked: its length, a value that is not finite, the weight."""


class Stale(SecaggError):
    """This request was answered before, and its answer is not kept. There is nothing to send; the
    client goes on."""


class Abort(SecaggError):
    """The round ended without a sum.

    Attributes
    ----------
    stage : str or None
        The stage that could not be closed, where one is to be named.
    client : int or None
        The client whose secrets cannot be recovered, where that is why.
    suspects : list of (int, int)
        The clients that lied, as far as can be told, each with the least number of others that lied
        if it did not. Without them the round may be played again.
    """

    def __init__(
        self,
        message: str,
        rule: str = "",
        stage: str | None = None,
        client: int | None = None,
        suspects: Sequence[tuple[int, int]] = (),
    ) -> None:
        super().__init__(message, rule)
        self.stage = stage
        self.client = client
        self.suspects = list(suspects)


class Imprecise(Abort):
    """A mean whose error could be as large as the clipping range; also the warning that a less
    precise mean carries.

    The message says which parameters would do.

    Attributes
    ----------
    error_bound : float
        The largest possible error of any element.
    limit : float
        A bound below this would be worth no warning.
    total_weight : float
        The sum of the survivors' weights, from which the bound follows.
    """

    def __init__(
        self, message: str, rule: str = "", error_bound: float = 0.0, limit: float = 0.0, total_weight: float = 0.0
    ) -> None:
        super().__init__(message, rule)
        self.error_bound = error_bound
        self.limit = limit
        self.total_weight = total_weight


class TooFew(Abort):
    """Too few clients answered: in all, or among the neighbours of `client`.

    Attributes
    ----------
    have, need : int
        Clients that answered, and clients that the stage needs.
    """

    def __init__(
        self,
        message: str,
        rule: str = "",
        stage: str | None = None,
        client: int | None = None,
        have: int = 0,
        need: int = 0,
    ) -> None:
        super().__init__(message, rule, stage, client)
        self.have = have
        self.need = need


class RestoreError(SecaggError, ValueError):
    """A saved state cannot be opened: it was altered, or sealed under another key, or is of another kind."""
