"""The huge, plain part of a round on the workers of a Ray cluster: adding up uploads, and taking off masks.

What is cryptographic (keys, shares, the plan of masks) stays in the server's process and is small. What is huge is
arithmetic on lanes that do not depend on each other, so a worker does a range of them, and the result is that of one
process to the bit. Tasks are pure: Ray repeats one whose worker died, and nothing is counted twice.

>>> sums = Uploads(server)                  # in the stage "collect_masked_vectors"
>>> for client, message in uploads:
...     sums.receive(client, message)       # raises what Server.receive raises
>>> sums.finish()                           # then server.close(), the last stage, and server.close() again
>>> unmask(server, np.float32).mean

The masked sum and the plan of masks pass through Ray's object store, and together they are as good as the sum itself. Use
a cluster of the server's own, with TLS between its machines (``RAY_USE_TLS=1``).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import ray
from numpy.typing import DTypeLike, NDArray

from . import Aggregate, Misuse, Server
from .kernels import MaskPlan, set_threads, unpack_add

Words: TypeAlias = NDArray[Any]
"""Lanes, or the bytes of packed ones."""

GRAIN = 1 << 14
"""Lanes that are not parted: ranges start at multiples of it, which are whole bytes at every width, whole blocks and
tiles of every keystream."""

RETRIES = 5
"""How often a task is repeated whose worker died."""


class Uploads:
    """Adds up masked vectors as they come, a few at a time, on the workers.

    A worker is sent its range of each upload, and keeps one sum. This process holds the uploads of one batch, and the
    object store those of two: whoever is faster than the workers waits for them.

    Parameters
    ----------
    server : Server
        In the stage "collect_masked_vectors".
    workers : int or None
        Ranges into which the lanes are parted; None for one for each of the cluster's CPUs.
    batch : int
        Uploads that a task adds at once.
    """

    def __init__(self, server: Server, *, workers: int | None = None, batch: int = 16) -> None:
        if batch < 1:
            raise Misuse(f"a batch of {batch} uploads: take one at least")
        self._server, self._batch = server, batch
        self._params = server.params
        self._ranges = list(ranges(self._params.lanes, workers))
        self._sums: list[Any] = [None] * len(self._ranges)
        self._sums_before: list[Any] = []
        self._waiting: list[Words] = []

    def receive(self, client: int, message: bytes | bytearray | memoryview | NDArray[np.uint8]) -> None:
        """Judges one client's message, and adds its lanes.

        Raises
        ------
        Malformed, Misbehaved, Misuse
            As `Server.receive`.
        """
        message = bytes(message)  # No copy of bytes; what may change before it is added is copied.
        offset = self._server.admit(client, message)
        self._waiting.append(np.frombuffer(message, np.uint8, offset=offset))
        if len(self._waiting) == self._batch:
            self._add()

    def finish(self) -> None:
        """Waits for the sums and gives them to the server, which can then close the stage."""
        self._add()
        if any(sum_ is not None for sum_ in self._sums):
            self._server.add_sum(np.concatenate(ray.get(self._sums)))
        self._sums, self._sums_before = [None] * len(self._ranges), []

    def _add(self) -> None:
        if not self._waiting:
            return
        if self._sums_before:
            ray.wait(self._sums_before, num_returns=len(self._sums_before), fetch_local=False)
        self._sums_before = [sum_ for sum_ in self._sums if sum_ is not None]
        width, dtype = self._params.width, self._params.lane_dtype.str
        for place, (first, last) in enumerate(self._ranges):
            part = slice(first * width // 8, -(-last * width // 8))
            packed = np.stack([upload[part] for upload in self._waiting])
            sum_ = self._sums[place]
            self._sums[place] = _add_range.remote(sum_, packed, last - first, width, dtype)
        self._waiting = []


def unmask(server: Server, dtype: DTypeLike = np.float32, *, workers: int | None = None) -> Aggregate:
    """Takes the masks off on the workers and reads the sum: `Server.aggregate`, to the bit, and once like that.

    Parameters
    ----------
    server : Server
        After its last stage.
    dtype : dtype
        float32 or float64.
    workers : int or None
        Ranges into which the lanes are parted; None for one for each of the cluster's CPUs.

    Raises
    ------
    Abort, Misuse
        As `Server.aggregate`.
    ray.exceptions.WorkerCrashedError
        If workers die more than `RETRIES` times over one range.
    """
    lanes, plan = server.masked_sum(), ray.put(server.mask_plan().to_bytes())
    parts = [
        _apply_range.remote(plan, lanes[first:last], first) for first, last in ranges(len(lanes), workers)
    ]
    return server.read(np.concatenate(ray.get(parts)), dtype)


def ranges(lanes: int, workers: int | None = None) -> Iterator[tuple[int, int]]:
    """Parts lanes into ranges of about the same length, which start at multiples of `GRAIN`.

    Parameters
    ----------
    lanes : int
        All lanes.
    workers : int or None
        At most so many ranges; None for as many as the cluster has CPUs.
    """
    workers = workers or _cpus()
    grains = -(-lanes // GRAIN)
    edges = [min(lanes, GRAIN * (grains * part // workers)) for part in range(workers + 1)]
    return ((first, last) for first, last in pairwise(edges) if first < last)


def _cpus() -> int:
    resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    return max(1, int(resources.get("CPU", 1)))


@ray.remote(max_retries=RETRIES)
def _add_range(sum_: Words | None, packed: Words, lanes: int, width: int, dtype: str) -> Words:
    """A range's sum so far, and the same range of some uploads. Ray hands out arguments that must not be written to."""
    set_threads(1)
    total = np.zeros(lanes, dtype) if sum_ is None else sum_.copy()
    for upload in packed:
        unpack_add(upload, width, total)
    return total


@ray.remote(max_retries=RETRIES)
def _apply_range(plan: bytes, lanes: Words, first: int) -> Words:
    set_threads(1)
    unmasked = lanes.copy()
    MaskPlan.from_bytes(plan).apply(unmasked, first_lane=first)
    return unmasked
