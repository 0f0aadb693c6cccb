"""A client's own assumptions, by which it judges what a server proposes; and what an identity refuses."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
import secagg
from rounds import STATE_KEY, Cohort, assert_mean, run
from secagg import Assumptions, Client, Directory, Identity, Params, Policy


def assuming(cohort_size: int, **keywords: Any) -> Assumptions:
    return Assumptions(cohort_size, **{"threat_model": "active", **keywords})


ASSUMED = assuming(20, corrupted=0.2, dropout=0.1)
"""Of 20 clients, 4 collude and 2 vanish."""


def refusal(client: Client, request: bytes) -> secagg.ServerMisbehaved:
    with pytest.raises(secagg.ServerMisbehaved) as caught:
        client.answer(request)
    assert client.stage is None
    return caught.value


def of(params: Params, policy: Policy) -> secagg.ServerMisbehaved:
    """The refusal of a client that is proposed these parameters."""
    cohort = Cohort(params)
    return refusal(cohort.client(1, policy=policy), cohort.server().requests[1])


# --- Assumptions ---------------------------------------------------------------------------------------


def test_assumptions_are_what_the_planner_takes() -> None:
    keywords: dict[str, Any] = {
        "corrupted": 0.1, "dropout": 0.2, "rounds": 50, "security_bits": 41, "search_bits": 3,
        "correctness_bits": 20, "threat_model": "active",
    }  # fmt: skip
    assumptions = Assumptions(1000, **keywords)
    assert assumptions.cohort_size == 1000
    assert {name: getattr(assumptions, name) for name in keywords} == keywords
    assert assumptions.plan() == secagg.plan(1000, **keywords)
    assert (Assumptions(9).search_bits, assuming(9).search_bits) == (0, 40)
    assert eval(repr(assumptions), {"Assumptions": Assumptions}) == assumptions != Assumptions(1000)
    assert pickle.loads(pickle.dumps(assumptions)) == assumptions


def test_a_policy_by_assumptions_can_be_looked_at_and_pickled() -> None:
    policy = Policy.assuming(ASSUMED)
    assert policy.assumptions == ASSUMED and Policy().assumptions is None
    assert (policy.min_cohort_size, policy.threat_model, policy.min_survivors) == (20, "active", 3)
    assert eval(repr(policy), {"Assumptions": Assumptions, "Policy": Policy}) == policy
    assert pickle.loads(pickle.dumps(policy)) == policy == Policy(assumptions=ASSUMED)


def test_floors_go_on_top_of_assumptions() -> None:
    policy = Policy(assumptions=ASSUMED, min_cohort_size=15, threat_model="curious", max_dimension=7)
    assert (policy.min_cohort_size, policy.threat_model, policy.max_dimension) == (15, "curious", 7)
    assert policy.assumptions == ASSUMED
    assert pickle.loads(pickle.dumps(policy)) == policy
    assert of(ASSUMED.plan().params(8), policy).rule == "DimensionAbovePolicy"


@pytest.mark.parametrize(
    "keywords, rule, says",
    [
        ({"cohort_size": 2}, "CohortSize", "at least 3"),
        ({"corrupted": float("nan")}, "Corrupted", "from 0 to below 1"),
        ({"security_bits": 0}, "SecurityBits", "from 1 to 256"),
        ({"corrupted": 0.5, "dropout": 0.6}, "Threshold", "fewer drop-outs"),
    ],
)
def test_assumptions_that_nothing_meets_make_no_policy(keywords: Any, rule: str, says: str) -> None:
    assumptions = Assumptions(**{"cohort_size": 20, **keywords})
    for make in (assumptions.plan, lambda: Policy.assuming(assumptions), lambda: Policy(assumptions=assumptions)):
        with pytest.raises(secagg.Misuse, match=says) as caught:
            make()
        assert caught.value.rule == rule


# --- Servers that propose something else ---------------------------------------------------------------


def test_a_client_takes_part_in_the_round_that_was_planned() -> None:
    cohort = Cohort(ASSUMED.plan().params(8))
    policy = Policy.assuming(ASSUMED)
    server = run(cohort, silent={"setup": [20], "collect_masked_vectors": [19]}, policy=policy)
    assert_mean(cohort, server.aggregate(), list(range(1, 19)))


def test_parameters_that_do_not_meet_the_assumptions_are_refused_with_the_inequality() -> None:
    """The server raises the degree: of 299 neighbours 30 may collude, and two thresholds must be more than 329."""
    planned = assuming(300, corrupted=0.1)
    assert not planned.plan().is_complete
    raised = Params.secagg(300, 8, 164, threat_model="active", corrupted_neighbours=27)
    error = of(raised, Policy.assuming(planned))
    assert error.rule == "Assumptions"
    assert "a threshold of 164 shares among 299 neighbours, of which 30 may collude, is too low: ask for 165" in str(error)


def test_a_low_quorum_is_refused_with_its_numbers() -> None:
    """Two survivor sets could reach it: 152 of 300 clients, of which 30 sign twice."""
    planned = assuming(300, corrupted=0.1)
    plan = planned.plan()
    params = Params.secagg_plus(
        300, 8, plan.degree, plan.threshold, threat_model="active", corrupted_neighbours=1
    )
    error = of(params, Policy.assuming(planned))
    assert error.rule == "Assumptions"
    assert "a quorum of 152 confirmations, with 30 colluding clients that sign twice, is too low: ask for 166" in str(error)


def test_a_roster_without_those_that_were_to_come_is_refused() -> None:
    """The round could finish with 17 members, and does for clients that assume nothing."""
    cohort = Cohort(ASSUMED.plan().params(8))
    server = cohort.server()
    keys = {id: cohort.client(id, policy=Policy.assuming(ASSUMED)) for id in cohort.ids}
    trusting = cohort.client(17)
    for client, request in server.requests.items():
        if client <= 17:
            server.receive(client, (trusting if client == 17 else keys[client]).answer(request))
    server.close()
    assert trusting.answer(server.requests[17])
    error = refusal(keys[1], server.requests[1])
    assert error.rule == "TooFewMembers" and "17 members are below 18" in str(error)


# --- Servers that ask to be trusted --------------------------------------------------------------------


def test_a_client_with_an_identity_refuses_rounds_that_trust_their_server() -> None:
    cohort = Cohort(Params.secagg(4, 8, 2))
    identity = Identity.random()
    known = {"identity": identity, "directory": Directory({1: identity.verifying_key})}
    request = cohort.server().requests[1]
    for more in ({}, {"state_key": STATE_KEY}, {"policy": Policy()}):
        error = refusal(cohort.client(1, **known, **more), request)
        assert error.rule == "Downgrade" and "also_curious" in str(error)
    assert cohort.client(1, **known, also_curious=True).answer(request)


def test_a_policy_of_the_active_model_is_not_lifted_by_also_curious() -> None:
    cohort = Cohort(Params.secagg(20, 8, 14))
    client = cohort.client(1, policy=Policy.assuming(ASSUMED), also_curious=True)
    assert refusal(client, cohort.server().requests[1]).rule == "ThreatModelBelowPolicy"
