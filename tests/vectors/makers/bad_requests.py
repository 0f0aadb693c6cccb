"""Section 12: requests that decode, and break one rule of a client's table."""

from specification import messages as m
from specification.encoding import u8
from specification.keys import public_key, sign
from specification.round import COLLECT, CONFIRM, SETUP, SHARE_KEYS, UNMASK

from .common import sample

ORDER_8 = (
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
)
LOW_ORDER = {
    "0": bytes(32),
    "1": (1).to_bytes(32, "little"),
    "p minus 1": (2**255 - 20).to_bytes(32, "little"),
    "the first point of order 8": bytes.fromhex(ORDER_8[0]),
    "the second point of order 8": bytes.fromhex(ORDER_8[1]),
}
STRANGER = 10**6


def cases(scenes):
    curious = scenes["secagg_plus_curious_drop_outs"]
    complete, sparse = scenes["secagg_active_drop_outs"], scenes["secagg_plus_active_drop_outs"]
    yield from _policies(curious, sparse)
    yield from _share_keys_request(curious)
    yield from _roster(sparse)
    yield from _collect_request(curious)
    yield from _confirm(sparse, scenes["secagg_plus_active"])
    yield from _unmask_request(curious, sparse)
    yield from _confirmations(sparse)
    yield from _one_survivor_less(complete)


def _policies(curious, sparse):
    """True messages, to clients that want more than this round has."""
    raw, own = curious.request(SETUP, 3), "ServerMisbehaved::"
    wanted = {
        "min_cohort_size": (14, "CohortBelowPolicy"),
        "min_threshold": (4, "ThresholdBelowPolicy"),
        "max_dimension": (3, "DimensionAbovePolicy"),
        "min_neighbours": (7, "NeighboursBelowPolicy"),
        "threat_model": (1, "ThreatModelBelowPolicy"),
        "min_corrupted_neighbours": (3, "CorruptedNeighboursBelowPolicy"),
        "min_survivors": (8, "SurvivorsUnseen"),
    }
    for field, (value, error) in wanted.items():
        yield (
            f"setup request below the policy of {field}",
            curious.to_client(SETUP, 3, raw, own + error, {field: value}),
        )
    other = raw[:70] + u8(raw[70] ^ 1) + raw[71:]
    yield "setup request with another context", curious.to_client(SETUP, 3, other, own + "Context")
    raw = sparse.request(SHARE_KEYS, 7)
    few = sparse.to_client(SHARE_KEYS, 7, raw, own + "TooFewMembers", {"min_survivors": 11})
    yield "share keys request with fewer members than the policy asks for", few
    raw = sparse.request(CONFIRM, 7)
    few = sparse.to_client(CONFIRM, 7, raw, own + "SurvivorsBelowPolicy", {"min_survivors": 9})
    yield "confirm request with fewer survivors than the policy asks for", few
    thin = next(c for c in curious.ran.u2 if len(curious.ran.forwarded(c)) < 6)
    few = curious.to_client(
        COLLECT, thin, curious.request(COLLECT, thin), own + "NeighboursBelowPolicy", {"min_neighbours": 6}
    )
    yield "collect request with fewer boxes than the policy asks for", few
    thin = next(c for c in curious.ran.survivors if len(curious.ran._among(c, curious.ran.survivors)) < 6)
    few = curious.to_client(
        UNMASK, thin, curious.request(UNMASK, thin), own + "SurvivorsBelowPolicy", {"min_survivors": 7}
    )
    yield "unmask request with fewer survivors than the policy asks for", few


def _share_keys_request(scene):
    ran, wrong = scene.ran, "ServerMisbehaved::"
    peers = ran._peers(3)
    others = [i for i, (peer, _) in enumerate(peers) if peer != 3]
    own = next(i for i, (peer, _) in enumerate(peers) if peer == 3)
    mask, channel, _ = peers[own][1]
    fresh = [public_key(sample(f"fresh key {i}", 32)) for i in range(8)]

    def request(changed, error):
        raw = m.share_keys_request(ran.context.session, ran.roster, changed)
        return scene.to_client(SHARE_KEYS, 3, raw, wrong + error)

    def told(place, keys, error):
        return request([*peers[:place], (peers[place][0], keys), *peers[place + 1 :]], error)

    a, b = others[:2]
    yield "share keys request without the receiver", request([peers[i] for i in others], "OwnKeysAltered")
    yield (
        "share keys request with another mask key of the receiver",
        told(own, (fresh[0], channel, None), "OwnKeysAltered"),
    )
    yield (
        "share keys request with another channel key of the receiver",
        told(own, (mask, fresh[0], None), "OwnKeysAltered"),
    )
    yield "share keys request with the keys of the receiver swapped", told(own, (channel, mask, None), "OwnKeysAltered")
    signed = (mask, channel, sample("a signature", 64))
    yield "share keys request with a signature of the receiver in a curious round", told(own, signed, "OwnKeysAltered")
    yield "share keys request with the receivers key for another", told(a, (fresh[0], mask, None), "DuplicateKey")
    yield "share keys request with one key of two neighbours", told(a, (peers[b][1][0], fresh[0], None), "DuplicateKey")
    yield "share keys request with one key in both roles", told(a, (fresh[0], fresh[0], None), "DuplicateKey")
    strangers = [(STRANGER + i, (fresh[2 * i], fresh[2 * i + 1], None)) for i in range(2)]
    yield (
        "share keys request with one neighbour too many",
        request(peers + strangers[: 7 - len(others)], "TooManyPeers"),
    )
    yield "share keys request with too few neighbours", request(sorted([peers[own], peers[a], peers[b]]), "TooFewPeers")
    for what, key in LOW_ORDER.items():
        yield f"share keys request with the channel key {what}", told(a, (fresh[0], key, None), "LowOrderKey")


def _roster(scene):
    """Active: the list of all members. The receiver is client 7 in a cohort of 11."""
    ran, wrong = scene.ran, "ServerMisbehaved::"
    members = dict(ran.keys)
    neighbour = ran.neighbours[7][0]

    def request(changed, error, roster=None):
        roster = roster or ran.roster_of(changed)
        raw = m.share_keys_request(ran.context.session, roster, sorted(changed.items()))
        return scene.to_client(SHARE_KEYS, 7, raw, wrong + error)

    def invented(client):
        keys = [public_key(sample(f"invented {client} {i}", 32)) for i in range(2)]
        identity = sample(f"invented identity {client}", 32)
        return (*keys, sign(identity, ran.context.signed_keys(client, *keys)))

    mask, channel, signature = members[7]
    for what, own in (("without", None), ("with another", signature[:-1] + u8(signature[-1] ^ 1))):
        yield (
            f"share keys request {what} signature of the receiver",
            request(members | {7: (mask, channel, own)}, "OwnKeysAltered"),
        )
    changed = u8(ran.roster[0] ^ 1) + ran.roster[1:]
    yield "share keys request with another roster hash", request(members, "RosterAltered", changed)
    hidden = {c: keys for c, keys in members.items() if c != neighbour}
    yield "share keys request with a member left out of the list", request(hidden, "RosterAltered", ran.roster)
    strangers = {STRANGER + i: invented(STRANGER + i) for i in range(3)}
    yield "share keys request with more members than the cohort", request(members | strangers, "TooManyMembers")
    one = {STRANGER: strangers[STRANGER]}
    yield "share keys request with a member that is not in the directory", request(members | one, "NotInDirectory")
    few = {c: keys for c, keys in members.items() if c in (1, 4, 7, 10)}
    yield "share keys request with few members", request(few, "TooFewMembers")
    less = dict(sorted(members.items())[: ran.params.quorum - 1])
    assert 7 in less
    yield "share keys request with one member less than the quorum", request(less, "TooFewMembers")
    mask, channel, signature = members[neighbour]
    bad = u8(signature[0] ^ 1) + signature[1:]
    # Of nine members with eight neighbours each all are neighbours, whoever is where in the ring.
    all_neighbours = {c: members[c] for c in sorted(members)[:9]}
    assert neighbour in all_neighbours and 7 in all_neighbours
    for what, keys in {
        "with a bad signature of a neighbour": (mask, channel, bad),
        "without the signature of a neighbour": (mask, channel, None),
        "with keys that a neighbour did not sign": (*invented(neighbour)[:2], signature),
        "with invented keys of a neighbour": invented(neighbour),
    }.items():
        yield f"share keys request {what}", request(all_neighbours | {neighbour: keys}, "BadSignature")
    client_key = (
        mask,
        bytes(32),
        sign(ran.clients[neighbour].identity, ran.context.signed_keys(neighbour, mask, bytes(32))),
    )
    yield (
        "share keys request with the signed channel key 0",
        request(all_neighbours | {neighbour: client_key}, "LowOrderKey"),
    )


def _collect_request(scene):
    ran, wrong = scene.ran, "ServerMisbehaved::"
    boxes = list(ran.forwarded(3).items())

    def request(changed, error):
        raw = m.collect_request(ran.context.session, sorted(changed))
        return scene.to_client(COLLECT, 3, raw, wrong + error)

    far = next(c for c in ran.u1 if c != 3 and c not in ran.neighbours[3])
    yield "collect request with a box of itself", request([*boxes, (3, boxes[0][1])], "NotANeighbour")
    yield "collect request with a box of a stranger", request([*boxes, (STRANGER, boxes[0][1])], "NotANeighbour")
    yield (
        "collect request with a box of a client that is no neighbour",
        request([*boxes, (far, boxes[0][1])], "NotANeighbour"),
    )
    yield "collect request with two boxes", request(boxes[:2], "TooFewShares")
    broken = [(peer, u8(sealed[0] ^ 1) + sealed[1:]) for peer, sealed in boxes]
    yield "collect request with two boxes that open", request(boxes[:2] + broken[2:], "TooFewShares")
    theirs = [(peer, ran.boxes[3, peer]) for peer, _ in boxes]
    yield "collect request with the boxes that the receiver sealed", request(theirs, "TooFewShares")


def _confirm(scene, ring):
    ran, wrong = scene.ran, "ServerMisbehaved::"
    survivors = ran.survivors

    def request(named, error):
        raw = m.confirm_request(ran.context.session, sorted(named))
        return scene.to_client(CONFIRM, 7, raw, wrong + error)

    near = ran._among(7, survivors)
    silent = next(c for c in ran.neighbours[7] if c not in ran.u2)
    yield "confirm request with a stranger", request([*survivors, STRANGER], "UnknownSurvivor")
    yield "confirm request with a client of the cohort that is no member", request([*survivors, 22], "UnknownSurvivor")
    yield (
        "confirm request with a neighbour whose box was not forwarded",
        request([*survivors, silent], "UnknownSurvivor"),
    )
    yield "confirm request without the receiver", request([c for c in survivors if c != 7], "SurvivorsOmitSelf")
    yield "confirm request for nobody", request([], "SurvivorsOmitSelf")
    yield "confirm request with too few neighbours", request([7, *near[:5]], "TooFewSurvivors")
    places = ring.ran.ring
    parted = [places[i] for i in (0, 1, 2, 3, 4, 7, 8, 9)]
    raw = m.confirm_request(ring.ran.context.session, sorted(parted))
    yield "confirm request with parted survivors", ring.to_client(CONFIRM, places[2], raw, wrong + "Disconnected")


def _unmask_request(curious, active):
    ran, wrong = curious.ran, "ServerMisbehaved::"
    named = [3, *ran._among(3, ran.survivors)]

    def request(changed, error):
        raw = m.unmask_request(ran.context.session, sorted(changed), [])
        return curious.to_client(UNMASK, 3, raw, wrong + error)

    far = next(c for c in ran.u1 if c != 3 and c not in ran.neighbours[3])
    yield "unmask request without the receiver", request(named[1:], "SurvivorsOmitSelf")
    yield "unmask request for nobody", request([], "SurvivorsOmitSelf")
    yield "unmask request with a stranger", request([*named, STRANGER], "UnknownSurvivor")
    yield "unmask request with a client that is no neighbour", request([*named, far], "UnknownSurvivor")
    yield "unmask request with too few neighbours", request(named[:3], "TooFewSurvivors")
    held = sorted([7, *active.ran._among(7, active.ran.survivors)])
    raw = m.unmask_request(active.ran.context.session, held, [])
    near = active.to_client(UNMASK, 7, raw, wrong + "SurvivorsChanged")
    yield "unmask request with the confirmed survivors of a neighbourhood alone", near


def _confirmations(scene):
    """Active, to client 7: survivors that it did not sign, and signatures that are none."""
    ran, wrong, quorum = scene.ran, "ServerMisbehaved::", scene.ran.params.quorum
    signers = [c for c in sorted(ran.confirmations) if c != 7]
    true = [(c, ran.confirmations[c]) for c in signers[:quorum]]

    def request(named, confirmations, error):
        raw = m.unmask_request(ran.context.session, sorted(named), sorted(confirmations))
        return scene.to_client(UNMASK, 7, raw, wrong + error)

    named, dropped = ran.survivors, next(c for c in ran.neighbours[7] if c in ran.dropped)
    yield "unmask request with a survivor more than confirmed", request([*named, dropped], true, "SurvivorsChanged")
    absent = [*true, (dropped, true[0][1])]
    yield "unmask request with the confirmation of a dropped client", request(named, absent, "UnknownSurvivor")
    yield "unmask request without confirmations", request(named, [], "TooFewConfirmations")
    # The client counts itself once, whether its own is there or not.
    few = true[: quorum - 2]
    yield "unmask request with one confirmation too few", request(named, few, "TooFewConfirmations")
    with_own = [*few, (7, ran.confirmations[7])]
    yield "unmask request where its own would have to count twice", request(named, with_own, "TooFewConfirmations")
    for what, signature in unsound(ran, signers):
        changed = [(signers[0], signature), *true[1:]]
        yield f"unmask request with a confirmation {what}", request(named, changed, "BadSignature")


def _one_survivor_less(scene):
    ran = scene.ran
    confirmations = sorted(ran.confirmations.items())[: ran.params.quorum]
    raw = m.unmask_request(ran.context.session, ran.survivors[:-1], confirmations)
    changed = scene.to_client(UNMASK, 3, raw, "ServerMisbehaved::SurvivorsChanged")
    yield "unmask request with a survivor less than confirmed", changed


def unsound(ran, signers):
    """Signatures that are not the first signer's over the survivors."""
    signer, context, survivors = signers[0], ran.context, ran.survivors
    identity, other = ran.clients[signer].identity, next(c for c in ran.survivors if c != signer)
    true = ran.confirmations[signer]
    yield "with a changed bit", true[:-33] + u8(true[-33] ^ 1) + true[-32:]
    yield (
        "signed by another",
        sign(ran.clients[other].identity, context.signed_survivors(signer, ran.roster, survivors)),
    )
    yield "that names another signer", sign(identity, context.signed_survivors(other, ran.roster, survivors))
    yield "over fewer survivors", sign(identity, context.signed_survivors(signer, ran.roster, survivors[:-1]))
    yield "over another roster", sign(identity, context.signed_survivors(signer, bytes(32), survivors))
