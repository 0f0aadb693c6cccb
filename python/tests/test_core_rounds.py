"""Whole rounds: both protocols, both threat models, drop-outs at every stage."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import secagg
from rounds import STATE_KEY, Cohort, assert_mean, collecting, run
from secagg import Params, Server, kernels

THREAT_MODELS = ("curious", "active")


def stages(threat_model: str) -> tuple[str, ...]:
    return tuple(
        stage for stage in secagg.STAGES if threat_model == "active" or stage != "confirm_survivors"
    )


CASES = [(model, stage) for model in THREAT_MODELS for stage in stages(model)]


@pytest.mark.parametrize("threat_model", THREAT_MODELS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_everyone_answers(threat_model: Any, dtype: Any) -> None:
    cohort = Cohort(Params.secagg(5, 999, 3, threat_model=threat_model), dtype=dtype)
    aggregate = run(cohort).aggregate(dtype)
    assert aggregate.mean.dtype == dtype
    assert aggregate.mean.shape == (999,)
    assert aggregate.false_shares == []
    assert_mean(cohort, aggregate, [1, 2, 3, 4, 5])


@pytest.mark.parametrize("threat_model, stage", CASES)
def test_a_drop_out_at_any_stage(threat_model: Any, stage: str) -> None:
    cohort = Cohort(Params.secagg(6, 40, 4, threat_model=threat_model))
    server = run(cohort, silent={stage: [4]})
    masked = stages(threat_model).index(stage) > stages(threat_model).index("collect_masked_vectors")
    assert_mean(cohort, server.aggregate(), [1, 2, 3, 4, 5, 6] if masked else [1, 2, 3, 5, 6])


@pytest.mark.parametrize("threat_model", THREAT_MODELS)
def test_a_sparse_graph_with_drop_outs(threat_model: Any) -> None:
    params = Params.secagg_plus(20, 100, 12, 7, threat_model=threat_model, modulus_range=2**40)
    assert (params.degree, params.is_complete) == (12, False)
    cohort = Cohort(params, ids=[2 * i + 7 for i in range(20)])
    survivors = [client for client in cohort.ids if client not in (9, 21)]
    server = run(cohort, silent={"share_keys": [9], "collect_masked_vectors": [21]})
    assert_mean(cohort, server.aggregate(np.float64), survivors)


@pytest.mark.parametrize("width", [16, 29, 32, 64])
@pytest.mark.parametrize("prg", kernels.PRGS)
def test_every_width_and_generator(width: int, prg: Any) -> None:
    range_: dict[str, Any] = {"modulus_range": 2**width, "quantization_range": "auto", "prg": prg}
    cohort = Cohort(Params.secagg(3, 50, 2, **range_, max_weight=30.0))
    assert cohort.params.lane_dtype.itemsize * 8 == max(16, 1 << (width - 1).bit_length())
    server = run(cohort)
    assert server.masked_sum().dtype == cohort.params.lane_dtype
    assert_mean(cohort, server.aggregate(np.float64), [1, 2, 3])


@pytest.mark.parametrize("threat_model, stage", CASES)
def test_too_few_answers_end_the_round(threat_model: Any, stage: str) -> None:
    cohort = Cohort(Params.secagg(6, 4, 4, threat_model=threat_model))
    need = 4 if stage == "unmask" else 5
    with pytest.raises(secagg.TooFew) as caught:
        run(cohort, silent={stage: list(cohort.ids[need - 1 :])})
    error = caught.value
    assert (error.stage, error.have, error.need, error.client) == (stage, need - 1, need, None)
    assert error.rule == "TooFew" and isinstance(error, secagg.Abort)
    assert str(need) in str(error)


def test_a_check_foresees_and_a_failed_close_ends() -> None:
    server = Cohort(Params.secagg(5, 4, 3)).server()
    with pytest.raises(secagg.TooFew, match="0 clients answered where 4 are needed"):
        server.check()
    assert server.stage == "setup"
    with pytest.raises(secagg.TooFew):
        server.close()
    assert server.stage is None and not server.requests and not server.waiting_for
    for call in (server.close, server.check, server.aggregate, server.masked_sum, server.mask_plan):
        with pytest.raises(secagg.Misuse):
            call()


def test_requests_are_those_that_wait_and_share_their_bytes() -> None:
    cohort = Cohort(Params.secagg(4, 4, 2))
    server = cohort.server()
    requests = server.requests
    assert list(requests) == server.waiting_for == [1, 2, 3, 4]
    assert len({id(request) for request in requests.values()}) == 1
    server.receive(2, cohort.client(2).answer(requests[2]))
    assert list(server.requests) == server.waiting_for == [1, 3, 4]


def test_a_sum_is_read_once() -> None:
    server = run(Cohort(Params.secagg(4, 4, 2)))
    with pytest.raises(TypeError, match="float16"):
        server.aggregate(np.float16)
    server.aggregate("float64")
    with pytest.raises(secagg.Misuse, match="read before"):
        server.aggregate()


def test_weights_of_zero_are_no_mean() -> None:
    class Weightless(Cohort):
        def weight(self, client: int) -> float:
            return 0.0

    with pytest.raises(secagg.Abort, match="weights is zero") as caught:
        run(Weightless(Params.secagg(4, 4, 2))).aggregate()
    assert caught.value.rule == "ZeroTotalWeight"


def add_by_ranges(server: Server, vectors: list[np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    """As workers do it, each with a range of 64 lanes."""
    params = server.params
    total = np.zeros(params.lanes, params.lane_dtype)
    for first in range(0, params.lanes, 64):
        lanes = total[first : first + 64]
        start = kernels.packed_len(first, params.width)
        stop = kernels.packed_len(first + len(lanes), params.width)
        for vector in vectors:
            kernels.unpack_add(vector[start:stop], params.width, lanes)
    return total


@pytest.mark.parametrize("width", [32, 35])
def test_vectors_that_are_added_elsewhere(width: int) -> None:
    cohort = Cohort(Params.secagg(5, 1000, 3, modulus_range=2**width))
    here, clients, answers = collecting(cohort)
    there = Server.restore(here.save(STATE_KEY), STATE_KEY)
    del answers[5]
    for client, answer in answers.items():
        here.receive(client, answer)
    admitted = {client: there.admit(client, answer) for client, answer in answers.items()}
    vectors = [np.frombuffer(answers[i], np.uint8, offset=at) for i, at in admitted.items()]
    there.add_sum(add_by_ranges(there, vectors))
    with pytest.raises(secagg.Misbehaved, match="answered this stage already"):
        there.admit(1, answers[1])
    assert there.waiting_for == here.waiting_for == [5]
    assert there.close() == here.close()
    for client, request in here.requests.items():
        answer = clients[client].answer(request)
        here.receive(client, answer)
        there.receive(client, answer)
    here.close()
    there.close()
    np.testing.assert_array_equal(there.masked_sum(), here.masked_sum())
    assert_mean(cohort, there.aggregate(), [1, 2, 3, 4])


@pytest.mark.parametrize("threat_model", THREAT_MODELS)
def test_the_plan_as_bytes_unmasks_range_by_range(threat_model: Any) -> None:
    cohort = Cohort(Params.secagg(5, 1000, 3, threat_model=threat_model))
    server = run(cohort, silent={"collect_masked_vectors": [5]})
    plan, lanes = server.mask_plan(), server.masked_sum()
    assert len(plan) == 8  # four self masks, and four pairwise ones of the client that dropped
    elsewhere = kernels.MaskPlan.from_bytes(plan.to_bytes())
    for first in (500, 0, 1000):
        elsewhere.apply(lanes[first : first + 500], first_lane=first)
    with pytest.raises(secagg.Misuse, match="1001 lanes where the round has 1002"):
        server.read(lanes[1:])
    assert_mean(cohort, server.read(lanes, np.float64), [1, 2, 3, 4])


def test_masks_that_are_left_on_are_no_mean() -> None:
    server = run(Cohort(Params.secagg(5, 1000, 3)))
    with pytest.raises(secagg.Abort, match="outside of what the clients' weights allow"):
        server.read(server.masked_sum())
