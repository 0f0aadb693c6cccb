"""How the protocol travels in Flower's records."""

from __future__ import annotations

import logging

from flwr.app import ConfigRecord, RecordDict

from .errors import NotAgreed

RECORD = "secagg"
"""The ConfigRecord of a message that holds the protocol's own message."""

MESSAGE = "message"
"""In it: the bytes of the protocol's message."""

TERMS = "terms"
"""In it, in the setup alone: the encoded terms."""

LOG = logging.getLogger("flwr")
"""Flower's own log."""


def wrap(message: bytes, terms: bytes | None = None) -> ConfigRecord:
    """The record of a protocol message."""
    return ConfigRecord({MESSAGE: message} if terms is None else {MESSAGE: message, TERMS: terms})


def unwrap(content: RecordDict) -> bytes:
    """The protocol message in the content of a Flower message.

    Raises
    ------
    NotAgreed
        If there is none.
    """
    record = content.config_records.get(RECORD)
    message = record.get(MESSAGE) if record else None
    if not isinstance(message, bytes):
        raise NotAgreed(
            "there is no message of the protocol in the reply: the client does not have secagg_mod among its "
            "mods, or another mod or the grid took it out"
        )
    return message


def bytes_of(record: ConfigRecord, name: str) -> bytes:
    """An entry of the protocol's record.

    Raises
    ------
    NotAgreed
        If it is no bytes.
    """
    value = record[name]
    if not isinstance(value, bytes):
        raise NotAgreed(f"{name!r} in the server's message is no bytes")
    return value


def without_record(content: RecordDict) -> RecordDict:
    """A copy of a content without the protocol's record; the other records are shared."""
    return RecordDict({name: record for name, record in content.items() if name != RECORD})
