"""Sections 3 to 7: parameters, keys, graph, shares, boxes."""

from specification import graph, params, shamir
from specification.keys import Context, agree, public_key, sign, verifying_key
from specification.recovery import recover_secret

from .common import named_params, number, outcome, sample

LAST = 2**64 - 1


def parameters():
    base = {"cohort_size": 8, "dimension": 3, "threshold": 2, "num_shares": 3}
    active = {"threat_model": params.ACTIVE}
    changes = [
        {}, {"num_shares": None}, {"cohort_size": 7}, {"cohort_size": 7, "num_shares": 7},
        {"cohort_size": 7, "num_shares": 6}, {"num_shares": 8}, {"num_shares": 9}, {"num_shares": 1},
        {"cohort_size": 2}, {"cohort_size": 3, "num_shares": None}, {"cohort_size": 2**32 - 1, "width": 64},
        {"cohort_size": 100, "num_shares": 0.07}, {"cohort_size": 100, "num_shares": 0.29, "threshold": 0.6},
        {"cohort_size": 9, "num_shares": 0.5, "threshold": 2 / 3},
        {"cohort_size": 1000, "num_shares": None, "threshold": 1.0},
        {"num_shares": 0.0}, {"num_shares": 1.5}, {"num_shares": 1.0}, {"threshold": -0.5}, {"threshold": 0.01},
        {"threshold": 1}, {"threshold": 3}, {"threshold": 4}, {"width": 64, "quantization_range": 2**48},
        {"width": 40, "quantization_range": 2**37}, {"width": 40, "quantization_range": 2**37 + 1},
        {"width": 40, "quantization_range": 2**37 + 2}, {"quantization_range": 2**48 + 1, "width": 64},
        {"quantization_range": 1}, {"width": 5, "quantization_range": 4}, {"width": 5, "quantization_range": 5},
        {"width": 3, "quantization_range": 2}, {"width": 4, "quantization_range": 2},
        {"quantization_range": "auto"}, {"quantization_range": "auto", "width": 64},
        {"quantization_range": "auto", "width": 2}, {"quantization_range": "auto", "width": 3},
        {"quantization_range": "auto", "width": 4}, {"cohort_size": 1024}, {"cohort_size": 1025},
        {"clipping_range": 1e-100}, {"clipping_range": 9e-101}, {"clipping_range": 1e100}, {"clipping_range": 1.1e100},
        {"clipping_range": -1.0}, {"max_weight": 1e-100}, {"max_weight": 0.0}, {"max_weight": 1e100},
        {"max_weight": 1.1e100}, {"dimension": 0}, {"dimension": 2**25 - 2},
        {"prg": 2}, {"prg": 3}, active, active | {"threshold": 3},
        active | {"cohort_size": 11, "num_shares": None, "threshold": 7},
        active | {"cohort_size": 11, "num_shares": None, "threshold": 7, "corrupted_neighbours": 3},
        active | {"cohort_size": 11, "num_shares": None, "threshold": 7, "corrupted_neighbours": 4},
        active | {"cohort_size": 11, "num_shares": None, "threshold": 10},
        active | {"num_shares": 5, "threshold": 4}, active | {"num_shares": 5, "threshold": 3},
        {"corrupted_neighbours": 0}, {"corrupted_neighbours": 1}, {"corrupted_neighbours": 2},
        {"cohort_size": 2, "num_shares": 9}, {"num_shares": 9, "threshold": 9}, {"threshold": 9, "max_weight": 0.0},
        {"clipping_range": 0.0, "cohort_size": 1025}, {"corrupted_neighbours": 9, "clipping_range": 0.0},
    ]  # fmt: skip
    return {"cases": [_parameters(base | change) for change in changes]}


def _parameters(given):
    written = {name: repr(value) if isinstance(value, float) else value for name, value in given.items()}
    return {"given": written} | outcome(lambda: named_params(params.build(**given)))


def _context(label):
    given = params.build(8, 3, 2, 3, width=20, quantization_range=2**16)
    session, application = sample(f"{label} session", 16), sample(f"{label} application", len(label))
    return Context(session, given.encode(), application), given, application


def _secrets(label, client):
    return sample(f"{label} mask secret {client}", 32), sample(f"{label} channel secret {client}", 32)


PAIRS = ((0, 1), (7, 3), (5, LAST), (LAST, 2**63), (2**40, 65536))


def _pair(first, second):
    """Everything that two clients of a curious roster of four agree on."""
    label = f"keys {first} {second}"
    context, given, application = _context(label)
    secrets = {client: _secrets(label, client) for client in (first, second, 100, 200)}
    public = {client: tuple(map(public_key, pair)) for client, pair in secrets.items()}
    return context, given, application, secrets, public, context.curious_roster(_fresh(label), public)


def _fresh(label):
    return sample(f"{label} fresh", 32)


def keys():
    return {"contexts": [_context_case(text) for text in ("", "a", "contexts")], "pairs": [_keys(*p) for p in PAIRS]}


def _context_case(label):
    context, given, application = _context(label)
    head = {"session": context.session.hex(), "parameters": given.encode().hex()}
    return head | {"application": application.hex(), "context": context.hash.hex()}


def _keys(first, second):
    context, given, application, secrets, public, roster = _pair(first, second)
    ends = [(client, *secrets[client], *public[client]) for client in (first, second)]
    (a, a_mask, a_channel, a_mask_key, a_channel_key), (b, *_, b_mask_key, b_channel_key) = ends
    shared = agree(a_channel, b_channel_key)
    there = context.channel(roster, shared, (a, a_channel_key), (b, b_channel_key))
    back = context.channel(roster, shared, (b, b_channel_key), (a, a_channel_key))
    seed, identity = sample(f"seed {a}", 32), sample(f"identity {a}", 32)
    survivors, members = sorted([a, b, 100]), sorted(public.items())
    known = {client: verifying_key(sample(f"identity {client}", 32)) for client in public}
    active = context.active_roster({client: (*keys, known[client]) for client, keys in public.items()})
    return {
        "session": context.session.hex(),
        "context": context.hash.hex(),
        "clients": [{"id": c, "mask_secret": m.hex(), "channel_secret": ch.hex()} for c, m, ch, *_ in ends],
        "members": [
            {"id": c, "mask_key": m.hex(), "channel_key": ch.hex(), "verifying_key": known[c].hex()}
            for c, (m, ch) in members
        ],
        "fresh": _fresh(f"keys {first} {second}").hex(),
        "roster": roster.hex(),
        "active_roster": active.hex(),
        "pairwise_seed": context.pairwise_seed(roster, a_mask, (a, a_mask_key), (b, b_mask_key)).hex(),
        "channel_there": b"".join(there).hex(),
        "channel_back": b"".join(back).hex(),
        "self_mask_seed": seed.hex(),
        "commitment": context.commitment(a, seed).hex(),
        "identity": identity.hex(),
        "verifying_key": verifying_key(identity).hex(),
        "keys_signature": sign(identity, context.signed_keys(a, a_mask_key, a_channel_key)).hex(),
        "survivors": survivors,
        "survivors_signature": sign(identity, context.signed_survivors(a, roster, survivors)).hex(),
    }


def sealed():
    return {"cases": [_box(*pair, threshold) for pair, threshold in zip(PAIRS, (2, 3, 65536, 2**32 - 2, 67))]}


def _box(first, second, threshold):
    context, _, _, secrets, public, roster = _pair(first, second)
    sender, receiver = (first, public[first][1]), (second, public[second][1])
    key = context.channel(roster, agree(secrets[first][1], receiver[1]), sender, receiver)
    shares = sample(f"shares {first} {second}", 64)
    return {
        "session": context.session.hex(),
        "context": context.hash.hex(),
        "roster": roster.hex(),
        "sender": {"id": first, "channel_secret": secrets[first][1].hex()},
        "receiver": {"id": second, "channel_secret": secrets[second][1].hex()},
        "threshold": threshold,
        "mask_key_share": shares[:32].hex(),
        "self_mask_share": shares[32:].hex(),
        "box": context.seal(key, first, second, threshold, shares).hex(),
    }


def graphs():
    sizes = [(3, 2), (4, 2), (4, 3), (5, 2), (5, 3), (5, 4), (6, 3), (6, 5), (7, 3), (7, 5), (7, 6), (8, 3), (8, 4)]
    sizes += [(9, 7), (9, 40), (12, 5), (13, 5), (16, 9), (33, 11), (34, 11), (50, 6), (101, 7)]
    return {"cases": [_graph(size, degree) for size, degree in sizes]}


def _graph(size, degree):
    seed = sample(f"graph {size} {degree}", 32)
    head = {"ring_seed": seed.hex(), "members": size, "degree": degree, "ring": graph.shuffle(seed, size)}
    return head | {"neighbours": graph.neighbours(seed, degree, size)}


def shares():
    numbers = [0, 1, shamir.ONE, 2**127, 2**128 - 1] + [number(f"element {i}", 128) for i in range(5)]
    products = [
        {"a": _hex(a), "b": _hex(b), "dot": _hex(shamir.dot(a, b))} for a, b in zip(numbers, numbers[3:] + numbers[:3])
    ]
    assert all(shamir.inverse(a) == shamir.power(a, 2**128 - 2) for a in numbers if a)
    inverses = [{"a": _hex(a), "inverse": _hex(shamir.inverse(a))} for a in numbers if a]
    deals = [_deal(2, [0, LAST]), _deal(2, [1, 2, 3]), _deal(3, [0, 2**32, 2**63, LAST - 1, LAST])]
    deals += [_deal(5, [7, 6, 5, 4, 3, 2, 1]), _deal(16, [3 * i for i in range(20)]), _deal(2, [9, 8, 7], zero=True)]
    return {"products": products, "inverses": inverses, "deals": deals, "false_shares": _false_shares()}


def _hex(element):
    return element.to_bytes(16, "little").hex()


def _deal(threshold, holders, zero=False):
    label = f"deal {threshold} {holders}"
    secret = sample(label, 32)
    coefficients = [bytes(32) if zero else sample(f"{label} {j}", 32) for j in range(1, threshold)]
    dealt = shamir.split(secret, coefficients, holders)
    last = {holder: dealt[holder] for holder in holders[-threshold:]}
    assert shamir.recover(last) == secret
    return {
        "threshold": threshold,
        "secret": secret.hex(),
        "coefficients": b"".join(coefficients).hex(),
        "shares": [{"holder": h, "share": dealt[h].hex()} for h in holders],
        "recover_from": holders[-threshold:],
    }


# Threshold, number of holders, positions of the liars (both halves, the first half, the second half), suspects.
LIES = (
    (2, 4, [0], [], [], []),
    (2, 3, [0], [], [], []),
    (2, 3, [], [1], [], []),
    (3, 7, [0, 5], [], [], []),
    (3, 7, [], [0], [2], []),
    (3, 7, [], [0, 1], [1, 4], []),
    (3, 6, [0, 1], [], [], []),
    (3, 5, [2], [], [], [2, 3]),
    (3, 5, [0, 1], [], [], [1]),
    (3, 6, [0, 1, 2], [], [], [1, 2]),
    (2, 6, [0, 1, 2], [], [], []),
    (3, 5, [], [4], [], []),
    (4, 5, [], [1], [2], []),
    (3, 5, [0, 1, 2], [], [], []),
    (2, 2, [0], [], [], []),
)


def _false_shares():
    return [_lie(*lie) for lie in LIES]


def _lie(threshold, count, both, first, second, suspects):
    label, holders = f"lie {threshold} {count} {both} {first} {second}", [5 * i + 1 for i in range(count)]
    secret = sample(label, 32)
    coefficients = [sample(f"{label} {j}", 32) for j in range(1, threshold)]
    dealt = shamir.split(secret, coefficients, holders)
    for liars, half in ((both, 0), (both, 16), (first, 0), (second, 16)):
        for liar in liars:
            share = bytearray(dealt[holders[liar]])
            share[half + liar] ^= 1 + liar
            dealt[holders[liar]] = bytes(share)
    known = [holders[suspect] for suspect in suspects]

    def found():
        recovered, false = recover_secret(dealt, threshold, lambda candidate: candidate == secret, set(known))
        assert recovered == secret
        return {"false": false}

    rows = [{"holder": h, "share": dealt[h].hex()} for h in holders]
    return {"threshold": threshold, "secret": secret.hex(), "shares": rows, "suspects": known} | outcome(found)
