"""Section 11: each of the ten messages, field by field."""

from specification import messages as m
from specification import params
from specification.encoding import pack
from specification.keys import Context, public_key

from .common import STAGES, number, sample

LAST = 2**64 - 1
SESSION = sample("messages session", 16)


def _key(label):
    return public_key(sample(label, 32))


def _keys(client, signed):
    return _key(f"mask {client}"), _key(f"channel {client}"), sample(f"signature {client}", 64) if signed else None


def _written(keys):
    mask, channel, signature = keys
    return {"mask_key": mask.hex(), "channel_key": channel.hex(), "signature": signature and signature.hex()}


def messages():
    cases = [_setup(), *_advertised(), *_share_keys(), _sealed(), _collect(), _masked()]
    return {"session": SESSION.hex(), "cases": cases + [_confirm(), _confirmation(), *_unmask(), _revealed()]}


def _case(name, fields, raw):
    return {"message": name, "kind": raw[1], "stage": STAGES[raw[1] & 0x7F], "fields": fields, "bytes": raw.hex()}


def _setup():
    given = params.build(100, 10**6, 20, 0.29, width=40, prg=3, threat_model=params.ACTIVE)
    context = Context(SESSION, given.encode(), b"messages").hash
    fields = {"parameters": given.encode().hex(), "context": context.hex()}
    return _case("SetupRequest", fields, m.setup_request(SESSION, given.encode(), context))


def _advertised():
    for signed in (False, True):
        keys = _keys(1, signed)
        yield _case("AdvertisedKeys", _written(keys), m.advertised_keys(SESSION, keys))


def _share_keys():
    roster = sample("messages roster", 32)
    for signed in (False, True):
        peers = [(client, _keys(client, signed)) for client in (0, 2**32, LAST)]
        fields = {"roster": roster.hex(), "peers": [{"id": c} | _written(k) for c, k in peers]}
        yield _case("ShareKeysRequest", fields, m.share_keys_request(SESSION, roster, peers))


def _sealed():
    commitment, boxes = sample("messages commitment", 32), [sample(f"box {i}", 80) for i in range(3)]
    fields = {"commitment": commitment.hex(), "boxes": [b.hex() for b in boxes]}
    return _case("SealedShares", fields, m.sealed_shares(SESSION, commitment, boxes))


def _collect():
    boxes = [(client, sample(f"box {client}", 80)) for client in (5, 6, LAST)]
    fields = {"boxes": [{"sender": c, "box": b.hex()} for c, b in boxes]}
    return _case("CollectRequest", fields, m.collect_request(SESSION, boxes))


def _masked():
    width, lanes = 23, [number(f"lane {i}", 23) for i in range(5)]
    fields = {"width": width, "lanes": lanes}
    return _case("MaskedVector", fields, m.masked_vector(SESSION, pack(lanes, width)))


def _confirm():
    survivors = [0, 1, 2**40, LAST]
    return _case("ConfirmRequest", {"survivors": survivors}, m.confirm_request(SESSION, survivors))


def _confirmation():
    signature = sample("confirmation", 64)
    return _case("Confirmation", {"signature": signature.hex()}, m.confirmation(SESSION, signature))


def _unmask():
    survivors = [3, 4, 2**33, LAST]
    for signers in ([], [3, LAST]):
        confirmations = [(client, sample(f"confirmation {client}", 64)) for client in signers]
        written = [{"id": c, "signature": s.hex()} for c, s in confirmations]
        raw = m.unmask_request(SESSION, survivors, confirmations)
        yield _case("UnmaskRequest", {"survivors": survivors, "confirmations": written}, raw)


def _revealed():
    entries = [(0, bytes(32)), (1, sample("share 1", 32)), (2, sample("share 2", 32)), (1, bytes(32))]
    fields = {"shares": [{"tag": tag, "share": share.hex()} for tag, share in entries]}
    return _case("RevealedShares", fields, m.revealed_shares(SESSION, entries))
