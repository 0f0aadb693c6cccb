"""States that cross processes: every message of every client and of the server in a process of its own."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
import pytest
import secagg
from numpy.typing import NDArray
from rounds import APPLICATION, STATE_KEY, Cohort, assert_mean, run
from secagg import Client, Directory, Identity, Params, Server, StateKey

SECRET = STATE_KEY.to_bytes()

Credentials = tuple[bytes, dict[int, bytes]] | None


def known(credentials: Credentials) -> dict[str, Any]:
    if credentials is None:
        return {}
    secret, directory = credentials
    return {"identity": Identity(secret), "directory": Directory(directory)}


def answer(
    client: int,
    state: bytes | None,
    request: bytes,
    weight: float,
    update: NDArray[Any],
    credentials: Credentials,
) -> tuple[bytes, bytes]:
    """What a worker does with one message: go on from the state, and give the new one with the answer."""
    key, who = StateKey(SECRET), known(credentials)
    if state is None:
        seat = Client(client, application=APPLICATION, state_key=key, **who)
    else:
        seat = Client.restore(state, key, **who)
    reply = seat.answer(request, weight, update)
    assert seat.state is not None
    return reply, seat.state


@pytest.fixture(scope="module")
def workers() -> Any:
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        yield pool


@pytest.mark.parametrize("threat_model", ["curious", "active"])
def test_each_message_in_another_process(workers: ProcessPoolExecutor, threat_model: Any) -> None:
    cohort = Cohort(Params.secagg(5, 300, 3, threat_model=threat_model))
    keys = {client: identity.verifying_key for client, identity in cohort.identities.items()}
    states: dict[int, bytes | None] = dict.fromkeys(cohort.ids)
    server = cohort.server()
    while server.stage is not None:
        pending = {}
        for client, request in server.requests.items():
            if (client, server.stage) == (4, "collect_masked_vectors"):
                continue
            who = (cohort.identities[client].to_bytes(), keys) if cohort.directory else None
            update, weight = cohort.updates[client], cohort.weight(client)
            pending[client] = workers.submit(
                answer, client, states[client], request, weight, update, who
            )
        for client, done in pending.items():
            reply, states[client] = done.result()
            server.receive(client, reply)
        server.close()
    assert_mean(cohort, server.aggregate(), [1, 2, 3, 5])


@pytest.mark.parametrize("threat_model", ["curious", "active"])
def test_a_server_that_is_restored_before_and_after_every_stage(threat_model: Any) -> None:
    cohort = Cohort(Params.secagg_plus(8, 20, 6, 4, threat_model=threat_model))

    def restart(server: Server) -> Server:
        state = server.save(STATE_KEY)
        again = Server.restore(state, STATE_KEY, directory=cohort.directory)
        assert (again.params, again.session) == (server.params, server.session)
        assert (again.stage, again.requests) == (server.stage, server.requests)
        return again

    server = run(cohort, silent={"collect_masked_vectors": [3]}, between=restart)
    with pytest.raises(secagg.Misuse, match="round is over"):
        server.save(STATE_KEY)
    assert_mean(cohort, server.aggregate(), [1, 2, 4, 5, 6, 7, 8])


def setup() -> tuple[Cohort, Client, bytes]:
    cohort = Cohort(Params.secagg(4, 8, 2))
    return cohort, cohort.client(1, state_key=STATE_KEY), cohort.server().requests[1]


def test_a_client_repeats_its_answer_to_the_letter() -> None:
    cohort, client, request = setup()
    assert client.state is None
    reply = client.answer(request)
    state = client.state
    assert state is not None and reply not in state
    assert client.answer(request) == reply
    restored = Client.restore(state, STATE_KEY)
    assert restored.stage == "share_keys"
    assert restored.answer(request) == reply
    assert cohort.client(1).answer(request) != reply


def test_what_was_answered_earlier_is_stale() -> None:
    cohort = Cohort(Params.secagg(4, 8, 2))
    server = cohort.server()
    clients = {client: cohort.client(client, state_key=STATE_KEY) for client in cohort.ids}
    first = server.requests
    for _ in range(2):
        for client, request in server.requests.items():
            server.receive(client, clients[client].answer(request))
        server.close()
    with pytest.raises(secagg.Stale, match="answered before"):
        clients[1].answer(first[1])
    assert clients[1].stage == "collect_masked_vectors"
    masked = cohort.answer(clients[1], 1, server.requests[1])
    # A repetition looks at no update, and the client masks nothing twice.
    assert clients[1].answer(server.requests[1]) == masked
    assert clients[1].answer(server.requests[1], 1.0, np.zeros(8)) == masked


def test_a_vector_that_is_not_kept_is_given_once() -> None:
    cohort = Cohort(Params.secagg(4, 1000, 2))
    server = cohort.server()
    clients = {it: cohort.client(it, state_key=STATE_KEY, keep_vector=False) for it in cohort.ids}
    for _ in range(2):
        for node, request in server.requests.items():
            server.receive(node, clients[node].answer(request))
        server.close()
    cohort.answer(clients[1], 1, server.requests[1])
    state = clients[1].state
    assert state is not None and len(state) < 1000
    for client in (clients[1], Client.restore(state, STATE_KEY, keep_vector=False)):
        assert client.stage == "unmask"
        with pytest.raises(secagg.Stale, match="its answer is not kept"):
            client.answer(server.requests[1], 1.0, np.zeros(1000))
        assert client.stage == "unmask"


def test_a_client_that_refused_does_not_come_back() -> None:
    _, client, request = setup()
    client.answer(request)
    with pytest.raises(secagg.ServerMisbehaved):
        client.answer(b"no message")
    assert client.state is not None
    assert Client.restore(client.state, STATE_KEY).stage is None


def test_states_open_under_their_key_alone() -> None:
    cohort, client, request = setup()
    client.answer(request)
    server = cohort.server()
    for state, restore in ((client.state, Client.restore), (server.save(STATE_KEY), Server.restore)):
        assert state is not None
        restore(state, STATE_KEY)
        altered = state[:-1] + bytes([state[-1] ^ 1])
        for bad, key in ((state, StateKey.random()), (altered, STATE_KEY), (state[:-1], STATE_KEY)):
            with pytest.raises(secagg.RestoreError) as caught:
                restore(bad, key)
            assert isinstance(caught.value, ValueError)


def test_a_state_against_an_active_server_needs_its_credentials() -> None:
    cohort = Cohort(Params.secagg(4, 8, 3, threat_model="active"))
    server = cohort.server()
    client = cohort.client(1, state_key=STATE_KEY)
    client.answer(server.requests[1])
    assert client.state is not None
    with pytest.raises(secagg.RestoreError, match="directory and identity"):
        Client.restore(client.state, STATE_KEY)
    with pytest.raises(secagg.RestoreError, match="directory"):
        Server.restore(server.save(STATE_KEY), STATE_KEY)
    other = Identity.random()
    with pytest.raises(secagg.RestoreError, match="does not hold this identity"):
        Client.restore(client.state, STATE_KEY, identity=other, directory=cohort.directory)
