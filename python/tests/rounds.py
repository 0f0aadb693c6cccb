"""Whole rounds in one process, told as stories: who takes part, who vanishes when, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from secagg import Aggregate, Client, Directory, Identity, Params, Server, StateKey, new_session_id, kernels

APPLICATION = b"the hash of a model, round 7"
STATE_KEY = StateKey(bytes(range(32)))


@dataclass
class Cohort:
    """A server and its clients; client i has the weight 10 · i."""

    params: Params
    ids: Sequence[int] = ()
    dtype: type[np.float32] | type[np.float64] = np.float32
    seed: int = 1
    identities: dict[int, Identity] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ids = self.ids or list(range(1, self.params.cohort_size + 1))
        self.identities = {client: Identity.random() for client in self.ids}
        keys = {client: identity.verifying_key for client, identity in self.identities.items()}
        active = self.params.threat_model == "active"
        self.directory = Directory(keys) if active else None
        random = np.random.default_rng(self.seed)
        shape = (len(self.ids), self.params.dimension)
        updates = random.normal(0, 2, shape).astype(self.dtype)
        self.updates: dict[int, NDArray[Any]] = dict(zip(self.ids, updates, strict=True))
        self.session = new_session_id()

    def server(self) -> Server:
        return Server(
            self.params, self.session, self.ids, application=APPLICATION, directory=self.directory
        )

    def client(self, client: int, **keywords: Any) -> Client:
        if self.directory is not None:
            keywords.setdefault("identity", self.identities[client])
            keywords.setdefault("directory", self.directory)
        keywords.setdefault("application", APPLICATION)
        return Client(client, **keywords)

    def weight(self, client: int) -> float:
        return 10.0 * client

    def answer(self, client: Client, id: int, request: bytes) -> bytes:
        return client.answer(request, self.weight(id), self.updates[id])

    def mean(self, survivors: Sequence[int]) -> NDArray[np.float64]:
        """The mean as it should be, without any cryptography."""
        clip, total = self.params.clipping_range, self.total_weight(survivors)
        clipped = {i: np.clip(self.updates[i].astype(np.float64), -clip, clip) for i in survivors}
        return np.asarray(sum(self.weight(i) * clipped[i] for i in survivors) / total)

    def total_weight(self, survivors: Sequence[int]) -> float:
        return sum(self.weight(client) for client in survivors)


def run(
    cohort: Cohort,
    *,
    silent: Mapping[str, Sequence[int]] | None = None,
    between: Callable[[Server], Server] = lambda server: server,
    **keywords: Any,
) -> Server:
    """Runs all stages. From the stage on under which it is named in `silent`, a client is gone. The
    keywords are those of all clients."""
    server = cohort.server()
    clients = {client: cohort.client(client, **keywords) for client in cohort.ids}
    gone: set[int] = set()
    while (stage := server.stage) is not None:
        gone.update((silent or {}).get(stage, ()))
        server = between(server)
        for client, request in server.requests.items():
            if client not in gone:
                server.receive(client, cohort.answer(clients[client], client, request))
        server = between(server)
        server.close()
    return server


def collecting(cohort: Cohort) -> tuple[Server, dict[int, Client], dict[int, bytes]]:
    """A server that collects masked vectors, its clients, and the vectors of all of them."""
    server = cohort.server()
    clients = {client: cohort.client(client) for client in cohort.ids}
    while server.stage != "collect_masked_vectors":
        for client, request in server.requests.items():
            server.receive(client, clients[client].answer(request))
        server.close()
    requests = server.requests.items()
    answers = {id: cohort.answer(clients[id], id, request) for id, request in requests}
    return server, clients, answers


def masking(dimension: int) -> tuple[Server, Client, bytes]:
    """A client that is asked for its masked vector."""
    cohort = Cohort(Params.secagg(3, dimension, 2))
    server = cohort.server()
    clients = {client: cohort.client(client) for client in cohort.ids}
    while server.stage != "collect_masked_vectors":
        for client, request in server.requests.items():
            server.receive(client, clients[client].answer(request))
        server.close()
    return server, clients[1], server.requests[1]


def plan(masks: int = 2) -> kernels.MaskPlan:
    """Masks of seeds 0, 1, ..., of which every other one is subtracted."""
    return kernels.MaskPlan("aes-128-ctr", [(bytes([i]) * 32, (-1) ** i) for i in range(masks)])


def assert_mean(cohort: Cohort, aggregate: Aggregate, survivors: Sequence[int]) -> None:
    assert aggregate.survivors == list(survivors)
    total = cohort.total_weight(survivors)
    assert aggregate.total_weight == total
    bound = cohort.params.error_bound(len(survivors), total)
    bound += cohort.params.clipping_range * np.finfo(aggregate.mean.dtype).eps
    error = np.abs(aggregate.mean - cohort.mean(survivors)).max(initial=0)
    assert error <= bound
