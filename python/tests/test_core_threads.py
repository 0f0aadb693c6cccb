"""Threads and processes: long calls let others run, and arrays, servers and forks are safe among them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import secagg
from numpy.typing import NDArray
from rounds import STATE_KEY, Cohort, collecting, masking, plan
from secagg import Client, Params, Server, kernels

SEED = bytes(range(32))
BIG = 1 << 20
UPDATE = np.zeros(BIG - 2)


@pytest.fixture(scope="module")
def big_round() -> tuple[Server, Client, bytes, dict[int, bytes]]:
    cohort = Cohort(Params.secagg(3, BIG, 2))
    server, _, answers = collecting(cohort)
    _, client, request = masking(BIG)
    return server, client, request, answers


@pytest.fixture
def ticks() -> Iterator[list[int]]:
    """Counts in another thread, which runs only while this one lets go of the interpreter's lock."""
    count, stop = [0], threading.Event()

    def tick() -> None:
        while not stop.is_set():
            count[0] += 1
            time.sleep(0)

    interval = sys.getswitchinterval()
    thread = threading.Thread(target=tick)
    sys.setswitchinterval(3600)
    thread.start()
    try:
        yield count
    finally:
        stop.set()
        sys.setswitchinterval(interval)
        thread.join()


# With arrays that are there: making and copying large ones lets go of the lock by itself.
LONG_CALLS: dict[str, Callable[[NDArray[Any], NDArray[Any], Server], object]] = {
    "apply": lambda lanes, _, __: plan(4).apply(lanes),
    "expand": lambda _, out, __: kernels.expand("aes-128-ctr", SEED, out),
    "pack": lambda lanes, _, __: kernels.pack(lanes, 29),
    "unpack": lambda lanes, data, _: kernels.unpack(data, 32, lanes),
    "unpack_add": lambda lanes, data, _: kernels.unpack_add(data, 32, lanes),
    "quantize": lambda lanes, _, __: kernels.Quantizer().quantize(1.0, UPDATE, lanes, seed=SEED),
    "save": lambda _, __, server: server.save(STATE_KEY),
}


@pytest.mark.parametrize("name", LONG_CALLS)
def test_long_calls_let_other_threads_run(name: str, big_round: Any, ticks: list[int]) -> None:
    lanes, data = np.zeros(BIG, np.uint32), np.zeros(4 * BIG, np.uint8)
    before = ticks[0]
    # On a busy machine the other thread may come too late for one call, but not for all.
    for _ in range(1000):
        LONG_CALLS[name](lanes, data, big_round[0])
        if ticks[0] > before:
            return
    pytest.fail("the interpreter's lock was never let go")


def test_masking_and_receiving_let_other_threads_run(big_round: Any, ticks: list[int]) -> None:
    server, client, request, answers = big_round
    update = np.zeros(BIG, np.float32)
    before = ticks[0]
    client.answer(request, 1.0, update)
    masked = ticks[0]
    for client in answers:
        server.receive(client, answers[client])
    assert before < masked < ticks[0]


def test_one_array_is_not_written_by_two_calls_at_once() -> None:
    lanes = np.zeros(1 << 22, np.uint32)
    masks, errors = plan(64), []

    def apply() -> None:
        try:
            masks.apply(lanes)
        except ValueError as error:
            errors.append(str(error))

    threads = [threading.Thread(target=apply) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = np.zeros(1 << 12, np.uint32)
    for _ in range(2 - len(errors)):
        masks.apply(expected)
    np.testing.assert_array_equal(lanes[: 1 << 12], expected)
    assert set(errors) <= {"another call is using the array"}


def test_a_server_takes_messages_from_many_threads() -> None:
    cohort = Cohort(Params.secagg(20, 5000, 11))
    server, clients, answers = collecting(cohort)
    threads = [threading.Thread(target=server.receive, args=answer) for answer in answers.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.waiting_for == []
    server.close()
    for client, request in server.requests.items():
        server.receive(client, clients[client].answer(request))
    server.close()
    assert server.aggregate().survivors == list(range(1, 21))


def test_long_vectors_from_many_threads_do_not_wait_for_themselves() -> None:
    """Long enough for several threads of the pool, of which one that waits for the others begins another call."""
    server, _, answers = collecting(Cohort(Params.secagg(12, 140_000, 7)))
    state = server.save(STATE_KEY)
    for _ in range(10):
        server = Server.restore(state, STATE_KEY)
        receive = server.receive
        threads = [threading.Thread(target=receive, args=it, daemon=True) for it in answers.items()]
        for thread in threads:
            thread.start()
        end = time.monotonic() + 60
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))
        assert not any(thread.is_alive() for thread in threads)
        assert server.waiting_for == []


FORK = """
import os, signal, numpy as np
from secagg import kernels
plan = kernels.MaskPlan("chacha20", [(bytes(32), 1)])
here, there = np.zeros(1 << 20, np.uint32), np.zeros(1 << 20, np.uint32)
plan.apply(here)
child = os.fork()
if child == 0:
    signal.alarm(60)
    plan.apply(there)
    os._exit(0 if (here == there).all() else 1)
_, status = os.waitpid(child, 0)
raise SystemExit(os.waitstatus_to_exitcode(status))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_process_computes() -> None:
    done = subprocess.run([sys.executable, "-c", FORK], timeout=120, check=False)
    assert done.returncode == 0


def test_threads_are_counted() -> None:
    lanes, expected = np.zeros(BIG, np.uint32), np.zeros(BIG, np.uint32)
    plan().apply(expected)
    try:
        kernels.set_threads(3)
        plan().apply(lanes)
        np.testing.assert_array_equal(lanes, expected)
        names = {name for name in threads_of_this_process() if name.startswith("secagg-")}
        assert {"secagg-0", "secagg-1", "secagg-2"} <= names
        with pytest.raises(secagg.Misuse, match="0 threads compute nothing"):
            kernels.set_threads(0)
        with pytest.raises(secagg.Misuse, match="at most 1024"):
            kernels.set_threads(1025)
    finally:
        kernels.set_threads(None)


def threads_of_this_process() -> list[str]:
    tasks = "/proc/self/task"
    if not os.path.isdir(tasks):
        pytest.skip("this system does not list threads")
    return [open(f"{tasks}/{task}/comm").read().strip() for task in os.listdir(tasks)]
