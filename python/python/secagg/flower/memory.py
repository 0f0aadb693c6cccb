"""What a client remembers from one message to the next, in ``Context.state``."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flwr.app import ConfigRecord, Context

from secagg import Client, Misuse, Params, StateKey

from ._records import of_kind
from .errors import NotAgreed
from .terms import Terms

STATE = "secagg.state"
"""The name of the ConfigRecord."""

SESSION, REQUEST, TERMS, SEALED, TRAINED = "session", "request", "terms", "sealed", "trained"
MASKED = "masked"
"""The entry of the models that a vector was masked for; see `Memory.check_once`."""

HEADER = slice(2, 18)
"""Where each message of the protocol has its session id."""

KIND, COLLECT_MASKED_VECTORS = 1, 0x82
"""Where each says what it is, and what a request for a masked vector says."""


@dataclass(frozen=True)
class Subject:
    """What an update is about, and so what a second sum would tell more of: a model of a run, trained
    or evaluated. Rounds and sessions are not in it."""

    run_id: int
    model: str
    """The hash of the arrays."""
    is_training: bool

    def hash(self) -> bytes:
        """The 32 bytes that a client remembers of it."""
        return hashlib.sha256(f"secagg flower once {self.run_id} {self.model} {self.is_training}".encode()).digest()

    def refusal(self) -> str:
        """Why a second vector is refused, and what to do."""
        doing = "training" if self.is_training else "evaluating"
        return (
            f"this client has masked a vector of {doing} this model in run {self.run_id} before, and masks no second one "
            "(once_per_model=True): two sums over one model can tell a client's update. Send a new version of the model, "
            "such as another mean makes, or have clients say SecAggMod(once_per_model=False)"
        )


class Memory:
    """A client's round in the context of its node.

    The protocol's secrets are sealed (see `secagg.flower.keys`). The rest is what the server has told everyone, and
    whether the client has trained. Only the last round is kept, and of a round that is over, no more than its
    session id: the client does not take part in it again. A client that masks one vector for each model
    keeps 32 bytes for every one of them, beyond the round.

    The masked vector is not kept, which is as long as the update: a client that is asked for it
    again says no more than that it has answered. The record is written to whatever the context has
    for its state by then, as an app may put another one there.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._record = of_kind(ConfigRecord, context.state).get(STATE) or ConfigRecord()

    @property
    def is_empty(self) -> bool:
        """Whether the client has taken part in no round since this context began."""
        return not self._record

    @property
    def has_trained(self) -> bool:
        """Whether the client has trained since this context began."""
        return bool(self._record.get(TRAINED, False))

    @property
    def terms(self) -> Terms:
        """The terms of the round."""
        return Terms.decode(self._bytes(TERMS))

    @property
    def params(self) -> Params:
        """The parameters of the round."""
        return Params.from_request(self._bytes(REQUEST))

    def is_of(self, request: bytes) -> bool:
        """Whether a message belongs to the round that is remembered."""
        return self._record.get(SESSION) == request[HEADER]

    @staticmethod
    def asks_for_update(client: Client, request: bytes) -> bool:
        """Whether the client is to train now, and is not asked again for what it has answered."""
        return client.stage == "collect_masked_vectors" and request[KIND] == COLLECT_MASKED_VECTORS

    def begin(self, request: bytes, terms: bytes) -> None:
        """Begins a round in place of the one before."""
        entries = {SESSION: request[HEADER], REQUEST: request, TERMS: terms}
        self._write({**entries, TRAINED: self.has_trained, **self._lasting(MASKED)})

    def restore(self, request: bytes, key: StateKey) -> Client:
        """The client that waits for this message.

        Raises
        ------
        NotAgreed
            If there is none: the client has left that round, or has never been in it.
        RestoreError
            If its state is sealed under another key.
        """
        if not self.is_of(request) or SEALED not in self._record:
            raise NotAgreed("this client has no part in that round: it has left it, or lost its state")
        return Client.restore(self._bytes(SEALED), key, keep_vector=False)

    def keep(self, client: Client) -> None:
        """Keeps a client for its next message; one that has no next message is forgotten."""
        if client.stage is None or client.state is None:
            self.forget()
        else:
            self._write({**self._record, SEALED: client.state})

    def forget(self) -> None:
        """Forgets the secrets of the round."""
        self._write(self._lasting(SESSION, TRAINED, MASKED))

    def put_back(self) -> None:
        """Writes the record again, where an app has replaced or cleared the context's state."""
        if self._record and self._context.state.get(STATE) is not self._record:
            self._write(self._record)

    def note_training(self) -> None:
        """From now on, this client's parameters are its own."""
        self._write({**self._record, TRAINED: True})

    def check_once(self, subject: Subject) -> None:
        """Refuses a second vector about the same subject.

        Raises
        ------
        Misuse
            With the rule "MaskedBefore", if there was a first.
        """
        if subject.hash() in self._masked():
            raise Misuse(subject.refusal(), "MaskedBefore")

    def note_masked(self, subject: Subject) -> None:
        """From now on, `check_once` refuses this subject."""
        self._write({**self._record, MASKED: [*self._masked(), subject.hash()]})

    def _masked(self) -> list[bytes]:
        value = self._record.get(MASKED, [])
        if not isinstance(value, list) or any(not isinstance(entry, bytes) for entry in value):
            raise NotAgreed(f"the client's state was altered: {MASKED!r} is no list of bytes")
        return [entry for entry in value if isinstance(entry, bytes)]

    def _lasting(self, *names: str) -> dict[str, Any]:
        return {name: self._record[name] for name in names if name in self._record}

    def _bytes(self, name: str) -> bytes:
        value = self._record[name]
        if not isinstance(value, bytes):
            raise NotAgreed(f"the client's state was altered: {name!r} is no bytes")
        return value

    def _write(self, entries: Mapping[str, Any]) -> None:
        self._record = ConfigRecord(dict(entries))
        self._context.state[STATE] = self._record
