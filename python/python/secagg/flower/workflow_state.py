"""What the stages of a legacy workflow hand on to each other."""

from __future__ import annotations

from dataclasses import dataclass, field

from flwr.app import RecordDict
from flwr.server.client_proxy import ClientProxy

from secagg import Misuse

from .round import Outcome, Round


@dataclass
class WorkflowState:
    """What the stages of one round hand on to each other."""

    nid_to_proxies: dict[int, ClientProxy] = field(default_factory=dict)
    nid_to_fitins: dict[int, RecordDict] = field(default_factory=dict)
    sampled_node_ids: set[int] = field(default_factory=set)
    active_node_ids: set[int] = field(default_factory=set)
    failures: list[BaseException] = field(default_factory=list)
    round: Round | None = None
    outcome: Outcome | None = None

    def opened(self) -> Round:
        """The round that the setup stage has opened.

        Raises
        ------
        secagg.Misuse
            If it has not: a setup stage of one's own must call that of its base.
        """
        if self.round is None:
            raise Misuse("no round is open: setup_stage must call super().setup_stage")
        return self.round
