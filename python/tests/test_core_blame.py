"""What is refused, by whom, and who is to blame: bad clients, bad servers, bad updates, bad parameters."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import secagg
from rounds import STATE_KEY, Cohort, assert_mean, collecting
from secagg import Client, Directory, Identity, Params, Policy, Server, StateKey, new_session_id


def small(**keywords: Any) -> Params:
    return Params.secagg(4, 8, 2, **keywords)


# --- Clients that misbehave: the round lives ---------------------------------------------------------------


def test_a_malformed_message_is_rejected_and_the_round_lives() -> None:
    cohort = Cohort(small())
    server, clients, answers = collecting(cohort)
    for bad in (b"", b"\x01", answers[1][:-1], answers[1] + b"\0", b"\x02" + answers[1][1:]):
        with pytest.raises(secagg.Malformed, match="^client 1: ") as caught:
            server.receive(1, bad)
        assert caught.value.client == 1 and isinstance(caught.value, secagg.Rejected)
        assert server.waiting_for == [1, 2, 3, 4]
    with pytest.raises(secagg.Malformed) as caught:
        server.admit(1, answers[1][:-1])
    assert caught.value.rule == "Length"
    for client, answer in answers.items():
        server.receive(client, answer)
    server.close()
    for client, request in server.requests.items():
        server.receive(client, clients[client].answer(request))
    server.close()
    assert_mean(cohort, server.aggregate(), [1, 2, 3, 4])


def test_a_broken_rule_is_rejected_by_its_name() -> None:
    cohort = Cohort(small())
    server, _, answers = collecting(cohort)
    stranger = Server(small(), new_session_id(), [1, 2, 3, 4])
    with pytest.raises(secagg.Misbehaved, match="client 7: the sender has no part") as caught:
        server.receive(7, answers[1])
    assert (caught.value.rule, caught.value.client) == ("NotExpected", 7)
    server.receive(1, answers[1])
    with pytest.raises(secagg.Misbehaved) as caught:
        server.receive(1, answers[1])
    assert caught.value.rule == "Duplicate"
    keys = cohort.client(1).answer(cohort.server().requests[1])
    with pytest.raises(secagg.Misbehaved) as caught:
        stranger.receive(1, keys)
    assert caught.value.rule == "ForeignSession"


def test_a_client_without_a_valid_signature_is_dropped() -> None:
    cohort = Cohort(small(threat_model="active"))
    server = cohort.server()
    keys = cohort.client(1).answer(server.requests[1])
    forged = keys[:-1] + bytes([keys[-1] ^ 1])
    with pytest.raises(secagg.Misbehaved) as caught:
        server.receive(1, forged)
    assert caught.value.rule == "BadSignature"
    server.receive(1, keys)


# --- Servers that misbehave: the client leaves -------------------------------------------------------------


def refuses(client: Client, request: bytes, rule: str) -> secagg.Refused:
    with pytest.raises(secagg.ServerMisbehaved) as caught:
        client.answer(request)
    assert caught.value.rule == rule
    assert client.stage is None
    with pytest.raises(secagg.Misuse, match="last stage"):
        client.answer(request)
    return caught.value


def test_a_server_below_the_policy_is_refused() -> None:
    cohort = Cohort(small())
    request = cohort.server().requests[1]
    policies = {
        "CohortBelowPolicy": Policy(min_cohort_size=5),
        "ThresholdBelowPolicy": Policy(min_threshold=3),
        "NeighboursBelowPolicy": Policy(min_neighbours=4),
        "SurvivorsUnseen": Policy(min_survivors=5),
        "ThreatModelBelowPolicy": Policy(threat_model="active"),
        "CorruptedNeighboursBelowPolicy": Policy(min_corrupted_neighbours=2),
        "DimensionAbovePolicy": Policy(max_dimension=7),
    }
    for rule, policy in policies.items():
        refuses(cohort.client(1, policy=policy), request, rule)
        assert pickle.loads(pickle.dumps(policy)) == policy


def test_a_server_with_other_application_bytes_is_refused() -> None:
    request = Cohort(small()).server().requests[1]
    error = refuses(Client(1, application=b"another model"), request, "Context")
    assert "application bytes" in str(error)


def test_what_is_no_request_of_this_stage_is_refused() -> None:
    cohort = Cohort(small())
    request = cohort.server().requests[1]
    refuses(cohort.client(1), request[:-1], "Truncated")
    refuses(cohort.client(1), b"", "Truncated")
    client = cohort.client(1)
    client.answer(request)
    refuses(client, request, "Kind")


def test_an_active_server_needs_identities() -> None:
    cohort = Cohort(small(threat_model="active"))
    request = cohort.server().requests[1]
    with pytest.raises(secagg.Misuse, match="need an identity"):
        Client(1, application=b"the hash of a model, round 7").answer(request)
    with pytest.raises(secagg.Misuse, match="both an identity and a directory"):
        Client(1, identity=Identity.random())
    with pytest.raises(secagg.Misuse, match="own verifying key"):
        cohort.client(1, identity=Identity.random()).answer(request)
    with pytest.raises(secagg.Misuse, match="directory") as caught:
        Server(small(threat_model="active"), new_session_id(), [1, 2, 3, 4])
    assert caught.value.rule == "NoDirectory"


# --- Updates that cannot be masked -------------------------------------------------------------------------


def masking() -> tuple[Cohort, Client, bytes]:
    cohort = Cohort(small())
    server, _, _ = collecting(cohort)
    other = cohort.server()
    clients = {client: cohort.client(client) for client in cohort.ids}
    while other.stage != server.stage:
        for client, request in other.requests.items():
            other.receive(client, clients[client].answer(request))
        other.close()
    return cohort, clients[1], other.requests[1]


@pytest.mark.parametrize(
    "weight, update, rule, message",
    [
        (1.0, [0, 0, np.nan, 0, 0, 0, 0, 0], "NonFinite", "element 2 of the update"),
        (1.0, [0, 0, 0, 0, 0, 0, 0, -np.inf], "NonFinite", "element 7 of the update"),
        (1000.5, [0] * 8, "InvalidWeight", "not from 0 to 1000"),
        (-1.0, [0] * 8, "InvalidWeight", "not from 0 to 1000"),
        (float("nan"), [0] * 8, "InvalidWeight", "not from 0 to 1000"),
        (1.0, [0] * 7, "Dimension", "7 elements where the round's dimension is 8"),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_bad_update_takes_its_client_out(
    weight: float, update: list[float], rule: str, message: str, dtype: Any
) -> None:
    _, client, request = masking()
    with pytest.raises(secagg.BadUpdate, match=message) as caught:
        client.answer(request, weight, np.array(update, dtype))
    assert caught.value.rule == rule
    assert isinstance(caught.value, (secagg.Refused, ValueError))
    assert client.stage is None


def test_a_client_without_an_update_goes_on() -> None:
    cohort, client, request = masking()
    with pytest.raises(secagg.Misuse, match="give one, with its weight"):
        client.answer(request)
    cohort.answer(client, 1, request)
    assert client.stage == "unmask"


# --- Callers that ask for what cannot be done --------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments, rule",
    [
        ({"cohort_size": 2}, "CohortSize"),
        ({"reconstruction_threshold": 1}, "Threshold"),
        ({"reconstruction_threshold": 10}, "Threshold"),
        ({"reconstruction_threshold": 0.0}, "Fraction"),
        ({"reconstruction_threshold": 1.5}, "Fraction"),
        ({"reconstruction_threshold": float("nan")}, "Fraction"),
        ({"reconstruction_threshold": -1}, "Range"),
        ({"cohort_size": -1}, "Range"),
        ({"cohort_size": 2**32}, "Range"),
        ({"dimension": -1}, "Range"),
        ({"dimension": 2**60}, "Dimension"),
        ({"clipping_range": 0.0}, "ClippingRange"),
        ({"max_weight": float("inf")}, "MaxWeight"),
        ({"quantization_range": 1}, "QuantizationRange"),
        ({"quantization_range": "most"}, "QuantizationRange"),
        ({"modulus_range": 100}, "Range"),
        ({"modulus_range": 2**65}, "Range"),
        ({"modulus_range": 2**24}, "SumOverflow"),
        ({"prg": "md5"}, "UnknownPrg"),
        ({"threat_model": "evil"}, "UnknownThreatModel"),
        ({"corrupted_neighbours": 9}, "CorruptedNeighbours"),
    ],
)
def test_parameters_that_do_not_fit(arguments: dict[str, Any], rule: str) -> None:
    keywords = {"cohort_size": 10, "dimension": 5, "reconstruction_threshold": 5} | arguments
    with pytest.raises(secagg.Misuse) as caught:
        Params.secagg(**keywords)
    assert caught.value.rule == rule
    assert isinstance(caught.value, ValueError) and str(caught.value)


def test_a_bool_is_no_count_and_a_text_no_number() -> None:
    with pytest.raises(TypeError, match="bool"):
        Params.secagg(True, 5, 2)
    with pytest.raises(TypeError, match="bool"):
        Params.secagg(10, 5, True)
    with pytest.raises(TypeError):
        Params.secagg(10, 5, "0.5")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        Params.secagg(10.0, 5, 2)  # type: ignore[arg-type]


def test_numbers_of_numpy_are_numbers() -> None:
    params = Params.secagg(np.int64(10), np.int32(5), np.float64(0.5))
    assert params == Params.secagg(10, 5, 0.5)
    assert params == Params.secagg(10, 5, np.uint8(5))


def test_parameters_are_values() -> None:
    params = Params.secagg_plus(50, 7, 0.3, 0.6, threat_model="active", prg="chacha20")
    assert (params.degree, params.threshold, params.lanes) == (15, 9, 9)
    copy = pickle.loads(pickle.dumps(params))
    assert copy == params and hash(copy) == hash(params)
    assert params != Params.secagg_plus(50, 8, 0.3, 0.6, threat_model="active", prg="chacha20")
    cohort = Cohort(small())
    assert Params.from_request(cohort.server().requests[1]) == small()
    with pytest.raises(secagg.Misuse):
        Params.from_request(b"no request")
    up = {stage: up for stage, up, _ in params.bytes_per_client()}
    assert up["share_keys"] == 54 + 80 * params.degree
    assert list(up) == list(secagg.STAGES)


@pytest.mark.parametrize(
    "cohort, rule",
    [([1, 2, 3], "CohortSize"), ([1, 2, 3, 3], "DuplicateClient"), ([1, 2, 3, -4], "Range")],
)
def test_cohorts_that_do_not_fit(cohort: list[int], rule: str) -> None:
    with pytest.raises(secagg.Misuse) as caught:
        Server(small(), new_session_id(), cohort)
    assert caught.value.rule == rule


def test_directories_that_do_not_say_who_is_who() -> None:
    key = Identity(bytes(32)).verifying_key
    assert 1 in Directory({1: key}) and 2 not in Directory({1: key})
    for entries in ({1: key, 2: key}, {1: b"short"}, {1: bytes(32)}):
        with pytest.raises(secagg.Misuse):
            Directory(entries)
    with pytest.raises(secagg.Misuse) as caught:
        Server(small(), new_session_id(), [1, 2, 3, 4], directory=Directory({1: key}))
    assert caught.value.rule == "NotInDirectory"


def test_secrets_have_their_length_and_are_not_shown() -> None:
    for make in (Identity, StateKey):
        secret = bytes(range(32))
        assert make(secret).to_bytes() == secret
        assert make.random().to_bytes() != make.random().to_bytes()
        assert repr(make(secret)) == f"{make.__name__}(..)"
        with pytest.raises(secagg.Misuse, match="32 bytes, and not 31"):
            make(secret[1:])
        with pytest.raises(TypeError, match="pickle"):
            pickle.dumps(make(secret))
    with pytest.raises(secagg.Misuse, match="16 bytes"):
        Server(small(), b"short", [1, 2, 3, 4])
    assert len({new_session_id() for _ in range(3)} | {b""}) == 4


def test_backends_have_names() -> None:
    cohort = Cohort(small())
    for backend in secagg.kernels.backends():
        cohort.client(1, backend=backend).answer(cohort.server().requests[1])
    with pytest.raises(secagg.Misuse, match="no such backend"):
        Client(1, backend="sse2")


def test_plans_bear_what_they_are_asked_to() -> None:
    plan = secagg.plan(10_000)
    assert (plan.degree, plan.threshold, plan.corrupted_neighbours) == (50, 24, 23)
    assert plan.threshold == plan.thresholds.start and not plan.is_complete
    assert (plan.corrupted, plan.dropped, plan.survivors) == (500, 1000, 9000)
    params = plan.params(1_000_000)
    assert (params.degree, params.threshold, params.width) == (50, 24, 36)
    assert plan.params(5, quantization_range="auto").width == 32
    active = secagg.plan(1000, threat_model="active").params(5)
    assert active.threat_model == "active"
    assert active.degree == secagg.plan(1000, search_bits=40, threat_model="active").degree == 112
    assert secagg.plan(1000, search_bits=0, threat_model="active").degree == 92
    assert secagg.plan(1000, rounds=1000, threat_model="active").degree == 114
    with pytest.raises(secagg.Misuse, match="0 rounds"):
        secagg.plan(1000, rounds=0)
    with pytest.raises(secagg.Misuse, match="assume less corruption"):
        secagg.plan(10, corrupted=0.5, dropout=0.5)
    with pytest.raises(secagg.Misuse) as caught:
        secagg.plan(2)
    assert caught.value.rule == "CohortSize"


def test_exceptions_survive_other_processes() -> None:
    with pytest.raises(secagg.TooFew) as caught:
        Cohort(small()).server().check()
    copy = pickle.loads(pickle.dumps(caught.value))
    assert type(copy) is secagg.TooFew and str(copy) == str(caught.value)
    assert vars(copy) == vars(caught.value)


def test_a_state_of_something_else_is_not_restored() -> None:
    for state in (b"", b"\x01\x40", b"\x01\x60" + bytes(80), bytes(200)):
        with pytest.raises(secagg.RestoreError):
            Server.restore(state, STATE_KEY)
        with pytest.raises(secagg.RestoreError):
            Client.restore(state, STATE_KEY)
