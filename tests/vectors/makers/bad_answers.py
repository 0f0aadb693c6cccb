"""Section 12: answers that decode, and break one rule of the server's table; and what both sides refuse always."""

from specification import messages as m
from specification.encoding import u8
from specification.keys import sign
from specification.round import COLLECT, CONFIRM, SETUP, SHARE_KEYS, UNMASK

from .bad_requests import LOW_ORDER, STRANGER, unsound
from .common import sample

GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493


def cases(scenes):
    curious = scenes["secagg_plus_curious_drop_outs"]
    complete, sparse = scenes["secagg_active_drop_outs"], scenes["secagg_plus_active_drop_outs"]
    yield from _any_stage(scenes["secagg_curious"], complete)
    yield from _advertised_keys(curious, complete)
    yield from _answers(curious, scenes["secagg_plus_curious_lonely"])
    yield from _confirmation(sparse)
    yield from _revealed_shares(curious, complete)


def _foreign(raw):
    return raw[:2] + u8(raw[2] ^ 1) + raw[3:]


NAMES = {
    SETUP: ("setup request", "advertised keys"),
    SHARE_KEYS: ("share keys request", "sealed shares"),
    COLLECT: ("collect request", "masked vector"),
    CONFIRM: ("confirm request", "confirmation"),
    UNMASK: ("unmask request", "revealed shares"),
}


def _any_stage(curious, active):
    """What the server refuses of any answer, and a client of any request but the first."""
    for stage, (request, answer) in NAMES.items():
        scene = active if stage == CONFIRM else curious
        raw = scene.answer(stage, 3)
        yield (
            f"{answer} of another session",
            scene.to_server(stage, 3, _foreign(raw), "ClientMisbehaved::ForeignSession"),
        )
        yield f"{answer} again", scene.to_server(stage, 3, raw, "ClientMisbehaved::Duplicate", answered=True)
        yield f"{answer} of a stranger", scene.to_server(stage, STRANGER, raw, "ClientMisbehaved::NotExpected")
        yield (
            f"{answer} of a stranger that is empty",
            scene.to_server(stage, STRANGER, b"", "ClientMisbehaved::NotExpected"),
        )
        if stage != SETUP:
            foreign = _foreign(scene.request(stage, 3))
            yield (
                f"{request} of another session",
                scene.to_client(stage, 3, foreign, "ServerMisbehaved::ForeignSession"),
            )


def _advertised_keys(curious, active):
    def told(scene, client, mask, channel, signature=None):
        return m.advertised_keys(scene.ran.context.session, (mask, channel, signature))

    mask, channel, _ = curious.ran.keys[3]
    other_mask, other_channel, _ = curious.ran.keys[4]
    wrong, own = "ClientMisbehaved::", curious.to_server
    same = {
        "one key in both roles": (mask, mask),
        "the mask key of another": (other_mask, channel),
        "the channel key of another": (mask, other_channel),
        "the channel key of another as its mask key": (other_channel, channel),
        "the mask key of another as its channel key": (mask, other_mask),
        "0 in both roles": (bytes(32), bytes(32)),
    }
    for what, keys in same.items():
        yield f"advertised keys with {what}", own(SETUP, 3, told(curious, 3, *keys), wrong + "DuplicateKey")
    for what, key in LOW_ORDER.items():
        yield (
            f"advertised keys with the mask key {what}",
            own(SETUP, 3, told(curious, 3, key, channel), wrong + "LowOrderKey"),
        )
        yield (
            f"advertised keys with the channel key {what}",
            own(SETUP, 3, told(curious, 3, mask, key), wrong + "LowOrderKey"),
        )
    signed = told(curious, 3, mask, channel, sample("a signature", 64))
    yield "advertised keys with a signature in a curious round", own(SETUP, 3, signed, wrong + "BadSignature")
    for what, signature in _bad_signatures(active):
        raw = told(active, 3, *active.ran.keys[3][:2], signature)
        yield f"advertised keys {what}", active.to_server(SETUP, 3, raw, wrong + "BadSignature")


def _bad_signatures(active):
    mask, channel, true = active.ran.keys[3]
    context, identity = active.ran.context, active.ran.clients[3].identity
    yield "without a signature in an active round", None
    yield "with a bit of the signature changed", u8(true[0] ^ 1) + true[1:]
    yield "with the signature of another", sign(active.ran.clients[4].identity, context.signed_keys(3, mask, channel))
    yield "with a signature that names another", sign(identity, context.signed_keys(4, mask, channel))
    yield "with a signature over swapped keys", sign(identity, context.signed_keys(3, channel, mask))
    yield "with the signature of its survivors", sign(identity, context.signed_survivors(3, active.ran.roster, [3]))
    scalar = int.from_bytes(true[32:], "little") + GROUP_ORDER
    yield "with a signature whose scalar is not reduced", true[:32] + scalar.to_bytes(32, "little")


def _answers(curious, lonely):
    wrong, session = "ClientMisbehaved::", curious.ran.context.session
    raw = curious.answer(SHARE_KEYS, 3)
    boxes = [raw[54 + 80 * i :][:80] for i in range((len(raw) - 54) // 80)]
    few, many = boxes[:-1], boxes + [boxes[0]]
    for what, changed in (("too few boxes", few), ("no boxes", []), ("too many boxes", many)):
        message = m.sealed_shares(session, raw[18:50], changed)
        yield f"sealed shares with {what}", curious.to_server(SHARE_KEYS, 3, message, wrong + "ShareCount")
    yield (
        "sealed shares of a client that advertised no keys",
        curious.to_server(SHARE_KEYS, 2, raw, wrong + "NotExpected"),
    )
    raw = curious.answer(COLLECT, 3)
    yield "masked vector of a client that shared nothing", curious.to_server(COLLECT, 9, raw, wrong + "NotExpected")
    raw = lonely.answer(COLLECT, 3)
    yield "masked vector of a lonely client", lonely.to_server(COLLECT, 7, raw, wrong + "NotExpected")


def _confirmation(scene):
    ran = scene.ran
    for what, signature in unsound(ran, [7]):
        raw = m.confirmation(ran.context.session, signature)
        bad = scene.to_server(CONFIRM, 7, raw, "ClientMisbehaved::BadSignature")
        yield f"confirmation {what}", bad
    late = scene.to_server(CONFIRM, ran.dropped[0], scene.answer(CONFIRM, 7), "ClientMisbehaved::NotExpected")
    yield "confirmation of a dropped client", late


def _revealed_shares(curious, active):
    wrong, session = "ClientMisbehaved::", curious.ran.context.session
    client = next(c for c in curious.ran.unmaskers if curious.ran._among(c, curious.ran.dropped))
    raw = curious.answer(UNMASK, client)
    entries = [(raw[i], raw[i + 1 : i + 33]) for i in range(22, len(raw), 33)]

    def told(changed, error):
        message = m.revealed_shares(session, changed)
        return curious.to_server(UNMASK, client, message, wrong + error)

    def flipped(place):
        tag, share = entries[place]
        return [*entries[:place], (3 - tag, share), *entries[place + 1 :]]

    tags = [tag for tag, _ in entries]
    yield "revealed shares that are too few", told(entries[:-1], "ShareCount")
    yield "revealed shares that are none", told([], "ShareCount")
    yield "revealed shares that are too many", told([*entries, (0, bytes(32))], "ShareCount")
    yield "revealed shares with the mask key of a survivor", told(flipped(tags.index(1)), "ShareKind")
    yield "revealed shares with the self mask of a dropped client", told(flipped(tags.index(2)), "ShareKind")
    gone = active.ran.dropped[0]
    late = active.to_server(UNMASK, gone, active.answer(UNMASK, 3), wrong + "NotExpected")
    yield "revealed shares of a dropped client", late
    unasked = next(c for c in active.ran.survivors if c not in active.ran.asked)
    late = active.to_server(UNMASK, unasked, active.answer(UNMASK, 3), wrong + "NotExpected")
    yield "revealed shares of a survivor that did not confirm", late
