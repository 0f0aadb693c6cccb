"""A client's memory over sessions: one masked vector for the same application bytes."""

from __future__ import annotations

import copy
import pickle
import threading
from typing import Any

import numpy as np
import pytest
import secagg
from rounds import APPLICATION, STATE_KEY, Cohort, assert_mean
from secagg import Client, Ledger, Params, Server


def to_mask(
    cohort: Cohort, application: bytes = APPLICATION, **keywords: Any
) -> tuple[Client, bytes]:
    """Client 1 of a new session, and the request for its masked vector."""
    session, keywords = secagg.new_session_id(), {"application": application, **keywords}
    server = Server(cohort.params, session, cohort.ids, application=application)
    clients = {client: cohort.client(client, **keywords) for client in cohort.ids}
    while server.stage != "collect_masked_vectors":
        for client, request in server.requests.items():
            server.receive(client, clients[client].answer(request))
        server.close()
    return clients[1], server.requests[1]


@pytest.fixture
def cohort() -> Cohort:
    return Cohort(Params.secagg(4, 8, 2))


def masked(cohort: Cohort, ledger: Ledger, **keywords: Any) -> Client:
    client, request = to_mask(cohort, **keywords)
    client.answer(request, 10.0, cohort.updates[1], ledger=ledger)
    return client


def refusal(cohort: Cohort, ledger: Ledger, **keywords: Any) -> None:
    client, request = to_mask(cohort, **keywords)
    before = ledger.to_bytes()
    with pytest.raises(secagg.Misuse, match="let the ledger forget it") as caught:
        client.answer(request, 10.0, cohort.updates[1], ledger=ledger)
    assert caught.value.rule == "MaskedBefore"
    assert client.stage is None and ledger.to_bytes() == before


@pytest.mark.parametrize("keywords", [{}, {"state_key": STATE_KEY}])
def test_a_second_session_about_the_same_model_gets_no_vector(cohort: Cohort, keywords: dict[str, Any]) -> None:
    ledger = Ledger()
    assert masked(cohort, ledger, **keywords).stage == "unmask"
    assert len(ledger) == 1
    refusal(cohort, ledger, **keywords)
    refusal(Cohort(Params.secagg(3, 8, 2)), ledger, **keywords)
    masked(cohort, ledger, application=b"the next model", **keywords)
    assert len(ledger) == 2


def test_without_a_ledger_a_client_masks_as_often_as_it_is_asked(cohort: Cohort) -> None:
    for _ in range(2):
        client, request = to_mask(cohort)
        assert client.answer(request, 10.0, cohort.updates[1])


def test_a_client_that_was_put_back_gives_the_same_vector_and_no_other(cohort: Cohort) -> None:
    ledger = Ledger()
    client, request = to_mask(cohort, state_key=STATE_KEY)
    state, update = client.state, cohort.updates[1]
    assert state is not None
    vector = client.answer(request, 10.0, update, ledger=ledger)
    assert Client.restore(state, STATE_KEY).answer(request, 10.0, update, ledger=ledger) == vector
    for weight, other in ((11.0, update), (10.0, -update)):
        with pytest.raises(secagg.Misuse) as caught:
            Client.restore(state, STATE_KEY).answer(request, weight, other, ledger=ledger)
        assert caught.value.rule == "MaskedBefore"


def test_a_caller_that_knows_better_says_so(cohort: Cohort) -> None:
    ledger = Ledger()
    masked(cohort, ledger)
    assert ledger.forget(b"another model") is False and len(ledger) == 1
    assert ledger.forget(bytearray(APPLICATION)) is True and len(ledger) == 0
    masked(cohort, ledger)


def test_a_vector_that_was_not_masked_is_not_in_the_ledger(cohort: Cohort) -> None:
    ledger = Ledger()
    for update in (np.full(8, np.nan), np.zeros(7)):
        client, request = to_mask(cohort)
        with pytest.raises(secagg.BadUpdate):
            client.answer(request, 10.0, update, ledger=ledger)
    assert len(ledger) == 0


def test_a_ledger_outlives_its_process(cohort: Cohort) -> None:
    ledger = Ledger()
    masked(cohort, ledger)
    kept = ledger.to_bytes()
    restored = [Ledger.from_bytes(kept), Ledger.from_bytes(memoryview(kept))]
    for again in (*restored, pickle.loads(pickle.dumps(ledger)), copy.copy(ledger)):
        assert again == ledger != Ledger() and again.to_bytes() == kept
        refusal(cohort, again)
    assert repr(ledger) == "Ledger(entries=1)" and APPLICATION not in kept
    with pytest.raises(TypeError):
        hash(ledger)


def test_other_bytes_are_no_ledger(cohort: Cohort) -> None:
    ledger = Ledger()
    masked(cohort, ledger)
    kept = ledger.to_bytes()
    for bad in (b"", kept[:-1], kept + b"\0", bytes([255] * 40)):
        with pytest.raises(secagg.Misuse, match="Ledger.to_bytes") as caught:
            Ledger.from_bytes(bad)
        assert caught.value.rule == "Ledger"


def test_a_round_whose_clients_have_ledgers_has_its_mean(cohort: Cohort) -> None:
    ledgers = {client: Ledger() for client in cohort.ids}
    server = cohort.server()
    clients = {client: cohort.client(client) for client in cohort.ids}
    while server.stage is not None:
        for client, request in server.requests.items():
            update, weight = cohort.updates[client], cohort.weight(client)
            server.receive(client, clients[client].answer(request, weight, update, ledger=ledgers[client]))
        server.close()
    assert_mean(cohort, server.aggregate(), list(cohort.ids))
    assert [len(ledger) for ledger in ledgers.values()] == [1] * 4


def test_of_sessions_in_several_threads_one_gets_its_vector(cohort: Cohort) -> None:
    ledger = Ledger()
    outcomes: list[bytes | str] = []
    seats = [to_mask(cohort) for _ in range(8)]

    def answer(client: Client, request: bytes) -> None:
        try:
            outcomes.append(client.answer(request, 10.0, cohort.updates[1], ledger=ledger))
        except secagg.Misuse as error:
            outcomes.append(error.rule)

    threads = [threading.Thread(target=answer, args=seat) for seat in seats]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(outcomes) == 8 and outcomes.count("MaskedBefore") == 7
