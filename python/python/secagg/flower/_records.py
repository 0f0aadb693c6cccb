"""How the protocol travels in Flower's records."""

from __future__ import annotations

import logging
from typing import TypeVar

from flwr.app import Array, ArrayRecord, ConfigRecord, MetricRecord, RecordDict

from .errors import NotAgreed

RECORD = "secagg"
"""The ConfigRecord of a message that holds the protocol's own message."""

MESSAGE = "message"
"""In it: the bytes of the protocol's message, up to `LONGEST_ENTRY` of them."""

LONG_RECORD = "secagg.message"
"""The ArrayRecord that holds a longer one, under the same name, and stands beside the other record.

Flower sends a ConfigRecord whole, as one message of protobuf, which ends at 2 GiB. Arrays travel in
chunks.
"""

LONGEST_ENTRY = 1 << 20
"""Bytes of a message in a ConfigRecord."""

BYTES = "secagg.bytes"
"""How the array is serialized: not at all. Its data are the message."""

TERMS = "terms"
"""In it, in the setup alone: the encoded terms."""

Kind = TypeVar("Kind", ArrayRecord, ConfigRecord, MetricRecord)

LOG = logging.getLogger("flwr")
"""Flower's own log."""


def wrap(message: bytes, terms: bytes | None = None) -> dict[str, ConfigRecord | ArrayRecord]:
    """The records of a protocol message, by name. The bytes are not copied."""
    entries = {} if terms is None else {TERMS: terms}
    if len(message) <= LONGEST_ENTRY:
        return {RECORD: ConfigRecord({MESSAGE: message, **entries})}
    array = Array(dtype="uint8", shape=(len(message),), stype=BYTES, data=message)
    return {RECORD: ConfigRecord({**entries}), LONG_RECORD: ArrayRecord({MESSAGE: array})}


def unwrap(content: RecordDict) -> bytes:
    """The protocol message in the content of a Flower message.

    Raises
    ------
    NotAgreed
        If there is none.
    """
    record, long = of_kind(ConfigRecord, content).get(RECORD), of_kind(ArrayRecord, content).get(LONG_RECORD)
    message = record.get(MESSAGE) if record else None
    if message is None and long and MESSAGE in long:
        message = long[MESSAGE].data
    if not isinstance(message, bytes):
        raise NotAgreed(
            "there is no message of the protocol in the reply: the client does not have secagg_mod among its "
            "mods, or another mod or the grid took it out"
        )
    return message


def of_kind(kind: type[Kind], content: RecordDict) -> dict[str, Kind]:
    """The records of one kind in a content, by name.

    Flower's views (`RecordDict.array_records`) are cycles: once looked at, a content keeps its
    arrays until the garbage collector comes, which with few and large ones is late.
    """
    return {name: record for name, record in content.items() if isinstance(record, kind)}


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
    """A copy of a content without the protocol's records; the other records are shared."""
    return RecordDict(
        {name: record for name, record in content.items() if name not in (RECORD, LONG_RECORD)}
    )
