"""A grid in this process that runs real ClientApps, and scripts who vanishes and who lies.

Messages and contexts go through Flower's own serialization at each step, as they do between processes: nothing but
bytes is handed on, so what a client remembers is what its context holds.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterable
from uuid import uuid4

import numpy as np
from flwr.app import ArrayRecord, Context, Error, Message, MetricRecord, RecordDict
from flwr.client import NumPyClient
from flwr.clientapp import ClientApp
from flwr.common.serde import context_from_proto, context_to_proto, message_from_proto, message_to_proto
from flwr.server import LegacyContext, ServerConfig, SimpleClientManager
from secagg.flower._flwr import Grid
from secagg.flower._records import RECORD, unwrap

try:
    from flwr.supercore.run import Run
except ImportError:
    from flwr.common.typing import Run

STAGES = {0x80: "setup", 0x81: "share_keys", 0x82: "collect_masked_vectors", 0x83: "unmask"}
RUN = 7

Tamper = Callable[[int, str, Message], Message | None]


def stage_of(message: Message) -> str:
    """The stage that a message is of, ours or Flower's own, or the type of a message that is of none."""
    records = message.content.config_records
    if RECORD in records:
        return STAGES[unwrap(message.content)[1]]
    return records.get("secaggplus_configs", {}).get("stage", message.metadata.message_type)


class Fleet(Grid):
    """Clients of the given apps.

    Parameters
    ----------
    apps : list of ClientApp
        One for each node; node ids are 101, 102 and so on.
    vanish : dict of int to str
        Nodes that do not answer from this stage on. As from a SuperLink, an error tells that they are gone.
    silent : bool
        Whether not even an error tells it.
    tamper : callable
        Sees each reply on its way (node, stage, reply) and gives what arrives, or None.
    """

    def __init__(
        self,
        apps: list[ClientApp],
        *,
        vanish: dict[int, str] | None = None,
        silent: bool = False,
        tamper: Tamper | None = None,
    ) -> None:
        self.apps = {101 + place: app for place, app in enumerate(apps)}
        self.vanish = dict(vanish or {})
        self.silent = silent
        self.tamper = tamper
        self.gone: set[int] = set()
        self.contexts = {node: context_of(node) for node in self.apps}
        self.sent: list[tuple[str, int, Message]] = []
        self.received: list[tuple[str, int, Message]] = []
        self.seconds: dict[tuple[int, str], float] = {}
        self._waiting: dict[str, Message] = {}

    def push_messages(self, messages: Iterable[Message]) -> list[str]:
        ids = []
        for message in messages:
            message.metadata.__dict__["_message_id"] = str(uuid4())
            self._waiting[message.metadata.message_id] = message
            ids.append(message.metadata.message_id)
        return ids

    def pull_messages(self, message_ids: Iterable[str]) -> list[Message]:
        """Lets one client answer at a time."""
        for message_id in sorted(message_ids):
            if (message := self._waiting.pop(message_id, None)) and (reply := self._answer(message)):
                return [reply]
        return []

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> list[Message]:
        waiting, replies = set(self.push_messages(messages)), []
        while pulled := self.pull_messages(waiting):
            replies += pulled
        return replies

    def get_node_ids(self) -> list[int]:
        return list(self.apps)

    def set_run(self, run: Run) -> None:
        raise NotImplementedError

    @property
    def run(self) -> Run:
        return Run.create_empty(RUN)

    def create_message(self, *args, **kwargs) -> Message:
        raise NotImplementedError

    def _answer(self, message: Message) -> Message | None:
        node, stage = message.metadata.dst_node_id, stage_of(message)
        if node in self.gone or self.vanish.get(node) == stage:
            self.gone.add(node)
            return None if self.silent else _given_up(message)
        message = _through_bytes(message)
        self.sent.append((stage, node, _through_bytes(message)))
        context = context_from_proto(context_to_proto(self.contexts[node]))
        started = time.process_time()
        try:
            reply = self.apps[node](message, context)
            self.contexts[node] = context
        except Exception as error:
            reply = Message(Error(code=2, reason=f"{type(error)}:<'{error}'>"), reply_to=message)
        self.seconds[node, stage] = time.process_time() - started
        reply.metadata.__dict__["_message_id"] = str(uuid4())
        reply = _through_bytes(reply)
        if self.tamper is not None:
            reply = self.tamper(node, stage, reply)
        if reply is not None:
            self.received.append((stage, node, reply))
        return reply


def act_as_server() -> None:
    """Tells Flower which run this process is in, without which it makes no messages."""
    try:
        from flwr.supercore.task_identity import TaskIdentity
    except ImportError:
        return
    TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = RUN, 1, 1


def context_of(node: int, **more) -> Context:
    """A fresh context of a node."""
    fields = {"run_id": RUN, "node_id": node, "node_config": {}, "state": RecordDict(), "run_config": {}}
    if "series_id" in inspect.signature(Context).parameters:
        fields["series_id"] = RUN
    return Context(**{**fields, **more})


def _given_up(message: Message) -> Message:
    """What the SuperLink answers for a node that is gone, in its own name."""
    reply = Message(Error(code=5, reason="node unavailable"), reply_to=message)
    reply.metadata.__dict__["_src_node_id"] = 1
    reply.metadata.__dict__["_message_id"] = str(uuid4())
    return reply


def _through_bytes(message: Message) -> Message:
    message_id = message.metadata.message_id
    copy = message_from_proto(
        type(message_to_proto(message)).FromString(message_to_proto(message).SerializeToString())
    )
    copy.metadata.__dict__["_message_id"] = message_id
    return copy


# --- Clients of both APIs ----------------------------------------------------------------------------

Arrays = dict[str, np.ndarray]
Train = Callable[[Arrays], tuple[Arrays, float, dict]]
"""From the model to the update, its weight and metrics."""


def moved_by(step: float, weight: float = 10, **metrics: float) -> Train:
    """A training that adds a step to every array."""

    def train(arrays: Arrays) -> tuple[Arrays, float, dict]:
        update = {
            name: (array + array.dtype.type(step)).astype(array.dtype) for name, array in arrays.items()
        }
        return {name: np.asarray(array) for name, array in update.items()}, weight, metrics

    return train


def message_app(train: Train, mods: list, *, weighted_by: str = "num-examples") -> ClientApp:
    """A ClientApp of the Message API."""
    app = ClientApp(mods=[])

    @app.train(mods=mods)
    def _train(message: Message, context: Context) -> Message:
        record = message.content["arrays"]
        arrays, weight, metrics = train({name: array.numpy() for name, array in record.items()})
        content = {
            "arrays": ArrayRecord(_arrays(arrays)),
            "metrics": MetricRecord({weighted_by: weight, **metrics}),
        }
        return Message(RecordDict(content), reply_to=message)

    @app.evaluate(mods=mods)
    def _evaluate(message: Message, context: Context) -> Message:
        _, weight, metrics = train({name: array.numpy() for name, array in message.content["arrays"].items()})
        return Message(
            RecordDict({"metrics": MetricRecord({weighted_by: weight, **metrics})}), reply_to=message
        )

    return app


class LegacyClient(NumPyClient):
    """A NumPyClient that trains by a function."""

    def __init__(self, train: Train) -> None:
        self.train, self.trained = train, 0

    def get_parameters(self, config):
        return [np.zeros((2, 3), np.float32)]

    def fit(self, parameters, config):
        self.trained += 1
        arrays, weight, metrics = self.train({str(place): array for place, array in enumerate(parameters)})
        return list(arrays.values()), weight, metrics

    def evaluate(self, parameters, config):
        return 0.5, 10, {"accuracy": 0.25}


def legacy_app(train: Train, mods: list) -> ClientApp:
    """A ClientApp of the legacy API."""
    client = LegacyClient(train)
    app = ClientApp(client_fn=lambda context: client.to_client(), mods=mods)
    app.client = client
    return app


def legacy_context(strategy, rounds: int = 1) -> LegacyContext:
    """A server's context of the legacy API."""
    return LegacyContext(
        context_of(1),
        config=ServerConfig(num_rounds=rounds),
        strategy=strategy,
        client_manager=SimpleClientManager(),
    )


def _arrays(arrays: Arrays) -> dict:
    from flwr.app import Array

    return {name: Array(array) for name, array in arrays.items()}
