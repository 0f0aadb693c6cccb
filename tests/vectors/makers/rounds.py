"""Whole rounds with fixed random bytes (section 12)."""

from specification import params as p
from specification.keys import verifying_key
from specification.round import COLLECT, CONFIRM, SETUP, SHARE_KEYS, UNMASK, Round

from .common import STAGES, binary32, named_params, real, reals, sample

LAST = 2**64 - 1


def plans():
    """Name: what the round is like. `vanish` says who is silent from which stage on."""
    return {
        "secagg_curious": _plan(p.build(5, 4, 3), "f32"),
        "secagg_curious_small_words": _plan(
            p.build(3, 2, 2, width=12, quantization_range=1000, max_weight=12.5, clipping_range=0.1, prg=3),
            "f64", ids=[0, 2**63, LAST], application=b"",
        ),
        "secagg_curious_false_shares": _plan(
            p.build(8, 2, 2, width=40, quantization_range=2**36, prg=2), "f64", vanish={4: COLLECT},
            lies=[(1, 2), (3, 2), (1, 4)],
        ),
        "secagg_plus_curious_drop_outs": _plan(
            p.build(13, 5, 3, 5, width=20, quantization_range=2**16, max_weight=0.7, clipping_range=1.5), "f64",
            vanish={2: SETUP, 9: SHARE_KEYS, 5: COLLECT, 12: COLLECT, 7: UNMASK},
        ),
        "secagg_plus_curious_lonely": _plan(
            p.build(9, 3, 2, 4, width=64, quantization_range=2**48, prg=2), "f32",
            # Three of the four neighbours of client 7, which is then lonely.
            vanish={1: SHARE_KEYS, 2: SHARE_KEYS, 8: SHARE_KEYS},
        ),
        "secagg_active_drop_outs": _plan(
            p.build(9, 3, 5, width=40, quantization_range=2**30, prg=2, threat_model=p.ACTIVE), "f64",
            vanish={1: COLLECT, 4: CONFIRM, 8: UNMASK},
        ),
        "secagg_plus_active": _plan(
            p.build(12, 6, 3, 4, width=64, quantization_range=2**48, prg=3, threat_model=p.ACTIVE), "f32",
        ),
        "secagg_plus_active_drop_outs": _plan(
            p.build(11, 2, 6, 8, threat_model=p.ACTIVE), "f64",
            vanish={8: SETUP, 10: SHARE_KEYS, 5: COLLECT}, ids=[3 * i + 1 for i in range(11)],
        ),
    }  # fmt: skip


def _plan(params, real_type, vanish=None, ids=None, application=b"the hash of a model", lies=()):
    ids = ids or [i + 1 for i in range(params.cohort_size)]
    # `vanish` and `lies` count the clients from 1.
    vanish = {ids[i - 1]: stage for i, stage in (vanish or {}).items()}
    lies = [(ids[liar - 1], ids[owner - 1]) for liar, owner in lies]
    return {
        "params": params, "real": real_type, "ids": ids, "vanish": vanish, "application": application, "lies": lies,
    }  # fmt: skip


def member(name, plan, client):
    params, label = plan["params"], f"{name} {client}"
    update = [real(f"{label} update {i}", -1.2, 1.2) * params.clipping_range for i in range(params.dimension)]
    if plan["real"] == "f32":
        update = [binary32(x) for x in update]
    return {
        "random": sample(f"{label} random", 32),
        "weight": real(f"{label} weight", 0.0, params.max_weight),
        "update": update,
        "vanishes": plan["vanish"].get(client),
        "identity": sample(f"{label} identity", 32) if params.active else None,
    }


def run(name, plan):
    members = {client: member(name, plan, client) for client in plan["ids"]}
    session, fresh = sample(f"{name} session", 16), sample(f"{name} fresh", 32)
    return Round(plan["params"], session, plan["application"], members, fresh, plan["lies"]).run()


def run_all():
    return {name: run(name, plan) for name, plan in plans().items()}


def content(plan, ran):
    total, mean, clipped = ran.mean(plan["real"] == "f32")
    return {
        "params": named_params(plan["params"]),
        "session": ran.context.session.hex(),
        "application": plan["application"].hex(),
        "real": plan["real"],
        "clients": [_client(client, member) for client, member in ran.members.items()],
        "context": ran.context.hash.hex(),
        "fresh": ran.fresh.hex(),
        "roster": ran.roster.hex(),
        "ring": ran.ring,
        "neighbours": [{"id": client, "neighbours": row} for client, row in ran.neighbours.items()],
        "sharers": ran.u2,
        "survivors": ran.survivors,
        "unmaskers": ran.unmaskers,
        "false_shares": [{"owner": owner, "holder": holder} for owner, holder in ran.false_shares],
        "lanes": [
            {"id": client, "rounding": one.rounding_seed().hex(), "lanes": one.lanes}
            for client, one in ran.clients.items()
            if client in ran.survivors
        ],
        "sums": ran.sums,
        "total_weight": repr(total),
        "mean": reals(mean),
        "clipped": clipped,
        "messages": _messages(ran),
    }


def _client(client, member):
    vanishes, identity = member["vanishes"], member["identity"]
    return {
        "id": client,
        "weight": repr(member["weight"]),
        "update": reals(member["update"]),
        "random": member["random"].hex(),
        "vanishes": None if vanishes is None else STAGES[vanishes],
        "identity": identity and identity.hex(),
        "verifying_key": identity and verifying_key(identity).hex(),
    }


def _messages(ran):
    """The same bytes to many clients are written once."""
    rows, liars = [], {liar for liar, _ in ran.lies}
    for said in ran.log:
        raw, stage, client = said["bytes"].hex(), STAGES[said["stage"]], said["client"]
        if said["from"] == "client":
            false = said["stage"] == UNMASK and client in liars
            rows.append({"stage": stage, "from": client} | ({"false": True} if false else {}) | {"bytes": raw})
            continue
        same = [row for row in rows if row["bytes"] == raw and "to" in row]
        if same:
            same[0]["to"].append(client)
        else:
            rows.append({"stage": stage, "to": [client], "bytes": raw})
    order = {
        stage: i
        for i, stage in enumerate(("setup", "share_keys", "collect_masked_vectors", "confirm_survivors", "unmask"))
    }
    return sorted(rows, key=lambda row: (order[row["stage"]], "from" in row))
