"""Lanes over Ray workers: the same sums as one process, also when a worker is killed."""

import os
import signal
import time

import numpy as np
import pytest

ray = pytest.importorskip("ray")

from secagg import Client, Misbehaved, Misuse, Params, Server, StateKey, new_session_id  # noqa: E402
from secagg import ray as on_ray  # noqa: E402

COHORT = [3, 5, 8, 13, 21, 34]
DROPPED = [8, 21]
DIMENSION = 3 * on_ray.GRAIN + 1234
"""No whole number of grains, and more of them than workers."""


@pytest.fixture(scope="module", autouse=True)
def cluster():
    """Two workers of this machine."""
    here = {"env_vars": {"PYTHONPATH": os.path.dirname(__file__)}}
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, runtime_env=here)
    yield
    ray.shutdown()


def params(**more):
    return Params.secagg(len(COHORT), DIMENSION, 3, max_weight=100.0, **more)


def update(client):
    return np.random.default_rng(client).normal(0, 1, DIMENSION).astype(np.float32)


def play(params, collect):
    """A round in which two clients vanish after their keys are shared; `collect` takes the masked vectors.

    Gives the server at the end, and one that is as it was: a sum can be read once.
    """
    server = Server(params, new_session_id(), COHORT)
    clients = {client: Client(client) for client in COHORT}
    while (stage := server.stage) is not None:
        requests = dict(server.requests)
        if stage == "collect_masked_vectors":
            vectors = {
                client: clients[client].answer(request, float(client), update(client))
                for client, request in requests.items()
                if client not in DROPPED
            }
            collect(server, vectors)
        else:
            for client, request in requests.items():
                server.receive(client, clients[client].answer(request))
        if stage == "unmask":
            key = StateKey.random()
            twin = Server.restore(server.save(key), key)
            twin.close()
        server.close()
    return server, twin


def receive_all(server, vectors):
    for client, vector in vectors.items():
        server.receive(client, vector)


def over_ray(batch=2, **more):
    def collect(server, vectors):
        uploads = on_ray.Uploads(server, batch=batch, **more)
        for client, vector in vectors.items():
            uploads.receive(client, vector)
        uploads.finish()

    return collect


WIDTHS = [
    {}, {"modulus_range": 2**25}, {"modulus_range": 2**64, "quantization_range": 2**40},
    {"modulus_range": 2**16, "quantization_range": 2**12}, {"prg": "chacha20"}, {"prg": "aegis-128x4"},
]  # fmt: skip


@pytest.mark.parametrize("more", WIDTHS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_unmasking_is_that_of_one_process_to_the_bit(more, dtype):
    server, twin = play(params(**more), receive_all)
    expected = twin.aggregate(dtype)
    found = on_ray.unmask(server, dtype, workers=3)
    np.testing.assert_array_equal(found.mean, expected.mean)
    assert (found.total_weight, found.survivors) == (expected.total_weight, expected.survivors)


@pytest.mark.parametrize("more", WIDTHS)
def test_adding_uploads_gives_the_same_sum(more):
    kept = {}

    def both(server, vectors):
        """The masks of two rounds differ, so the same round's uploads are added both ways."""
        over_ray(batch=3)(server, vectors)
        kept.update(vectors)

    server, _ = play(params(**more), both)
    lanes = np.zeros(server.params.lanes, server.params.lane_dtype)
    from secagg import kernels

    for vector in kept.values():
        kernels.unpack_add(vector[18:], server.params.width, lanes)
    modulus = lanes.dtype.type(server.params.modulus_range - 1)
    np.testing.assert_array_equal(server.masked_sum() & modulus, lanes & modulus)
    weights = [float(client) for client in kept]
    expected = np.average([update(client) for client in kept], axis=0, weights=weights)
    bound = server.params.error_bound(len(kept), sum(weights)) + 1e-6
    np.testing.assert_allclose(on_ray.unmask(server).mean, expected, atol=bound)


@pytest.mark.parametrize("batch", [1, 2, 3, 4, 5, 100])
def test_batches_do_not_matter(batch):
    server, _ = play(params(), over_ray(batch=batch, workers=2))
    assert server.aggregate().survivors == [client for client in COHORT if client not in DROPPED]


def test_uploads_wait_for_workers_that_are_behind(monkeypatch):
    """Or the object store would hold all that the workers have not added yet."""
    monkeypatch.setattr(on_ray, "_add_range", ray.remote(_slowly_added))
    seconds = []

    def collect(server, vectors):
        uploads = on_ray.Uploads(server, batch=1, workers=1)
        started = time.monotonic()
        for client, vector in vectors.items():
            uploads.receive(client, vector)
        seconds.append(time.monotonic() - started)
        uploads.finish()

    server, _ = play(params(), collect)
    assert seconds[0] >= SLOW * (len(COHORT) - len(DROPPED) - 2)
    assert server.aggregate().survivors == [client for client in COHORT if client not in DROPPED]


def test_what_the_server_rejects_is_not_added():
    def collect(server, vectors):
        uploads = on_ray.Uploads(server)
        (first, vector), *rest = vectors.items()
        uploads.receive(first, vector)
        with pytest.raises(Misbehaved):
            uploads.receive(first, vector)
        with pytest.raises(Misbehaved):
            uploads.receive(999, vector)
        for client, vector in rest:
            uploads.receive(client, vector)
        uploads.finish()

    server, _ = play(params(), collect)
    assert server.aggregate().total_weight == sum(client for client in COHORT if client not in DROPPED)


def test_a_batch_of_none_is_refused():
    server = Server(params(), new_session_id(), COHORT)
    with pytest.raises(Misuse):
        on_ray.Uploads(server, batch=0)


@pytest.mark.parametrize(
    ("lanes", "workers"), [(1, 1), (1, 8), (on_ray.GRAIN, 2), (5 * on_ray.GRAIN + 1, 3), (10**6, 7)]
)
def test_ranges_cover_all_lanes_once_and_start_at_grains(lanes, workers):
    ranges = list(on_ray.ranges(lanes, workers))
    assert ranges[0][0] == 0 and ranges[-1][1] == lanes and len(ranges) <= workers
    assert all(last == first for (_, last), (first, _) in zip(ranges, ranges[1:], strict=False))
    assert all(first % on_ray.GRAIN == 0 and first < last for first, last in ranges)


def test_a_killed_worker_is_replaced_and_nothing_is_counted_twice(tmp_path):
    """Each task's first attempt finds no mark of its range, leaves one, and has its process killed half way."""
    server, twin = play(params(), receive_all)
    expected = twin.aggregate()
    lanes, plan = server.masked_sum(), server.mask_plan().to_bytes()
    killed = ray.remote(max_retries=on_ray.RETRIES)(_killed_once)
    parts = ray.get([
        killed.remote(plan, lanes[first:last], first, str(tmp_path)) for first, last in on_ray.ranges(len(lanes), 3)
    ])  # fmt: skip
    assert len(list(tmp_path.iterdir())) == 3
    np.testing.assert_array_equal(server.read(np.concatenate(parts)).mean, expected.mean)


def test_a_worker_that_is_killed_from_outside_is_replaced():
    """All idle and busy workers of this cluster get SIGKILL while uploads are added and masks taken off."""

    def collect(server, vectors):
        uploads = on_ray.Uploads(server, batch=1, workers=4)
        for client, vector in vectors.items():
            uploads.receive(client, vector)
            _kill_workers()
        uploads.finish()

    server, twin = play(params(), collect)
    expected = twin.aggregate()
    _kill_workers()
    np.testing.assert_array_equal(on_ray.unmask(server, workers=4).mean, expected.mean)
    kept = [client for client in COHORT if client not in DROPPED]
    mean = np.average([update(client) for client in kept], axis=0, weights=kept)
    np.testing.assert_allclose(
        expected.mean, mean, atol=server.params.error_bound(len(kept), sum(kept)) + 1e-6
    )


SLOW = 0.3


def _slowly_added(*arguments):
    time.sleep(SLOW)
    return on_ray._add_range._function(*arguments)


def _killed_once(plan, lanes, first, directory):
    unmasked = on_ray._apply_range._function(plan, lanes, first)
    mark = os.path.join(directory, str(first))
    if not os.path.exists(mark):
        open(mark, "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    return unmasked


@ray.remote
def _pid():
    time.sleep(0.05)
    return os.getpid()


def _kill_workers():
    for pid in set(ray.get([_pid.remote() for _ in range(2)])):
        os.kill(pid, signal.SIGKILL)
