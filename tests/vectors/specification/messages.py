"""Section 11: the ten messages."""

from .encoding import VERSION, u8, u32, u64

SETUP_REQUEST, ADVERTISED_KEYS = 0x80, 0x00
SHARE_KEYS_REQUEST, SEALED_SHARES = 0x81, 0x01
COLLECT_REQUEST, MASKED_VECTOR = 0x82, 0x02
CONFIRM_REQUEST, CONFIRMATION = 0x84, 0x04
UNMASK_REQUEST, REVEALED_SHARES = 0x83, 0x03


def _message(kind, session, *body):
    return u8(VERSION) + u8(kind) + session + b"".join(body)


def setup_request(session, parameters, context_hash):
    return _message(SETUP_REQUEST, session, parameters, context_hash)


def _keys(keys):
    """keys: (mask public key, channel public key, signature or None)."""
    mask, channel, signature = keys
    return mask + channel + (u8(0) if signature is None else u8(1) + signature)


def advertised_keys(session, keys):
    return _message(ADVERTISED_KEYS, session, _keys(keys))


def share_keys_request(session, roster, peers):
    """peers: [(id, keys)], as they are to be written."""
    rows = [u64(client) + _keys(keys) for client, keys in peers]
    return _message(SHARE_KEYS_REQUEST, session, roster, u32(len(rows)), *rows)


def sealed_shares(session, commitment, boxes):
    return _message(SEALED_SHARES, session, commitment, u32(len(boxes)), *boxes)


def collect_request(session, boxes):
    """boxes: [(sender, box)]."""
    return _message(COLLECT_REQUEST, session, u32(len(boxes)), *[u64(sender) + box for sender, box in boxes])


def masked_vector(session, packed):
    return _message(MASKED_VECTOR, session, packed)


def confirm_request(session, survivors):
    return _message(CONFIRM_REQUEST, session, u32(len(survivors)), *map(u64, survivors))


def confirmation(session, signature):
    return _message(CONFIRMATION, session, signature)


def unmask_request(session, survivors, confirmations):
    """confirmations: [(id, signature)]."""
    names = u32(len(survivors)) + b"".join(map(u64, survivors))
    signed = [u64(client) + signature for client, signature in confirmations]
    return _message(UNMASK_REQUEST, session, names, u32(len(signed)), *signed)


def revealed_shares(session, entries):
    """entries: [(tag, 32 bytes)]."""
    return _message(REVEALED_SHARES, session, u32(len(entries)), *[u8(tag) + share for tag, share in entries])
