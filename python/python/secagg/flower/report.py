"""Statistics of rounds and their stages."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class StageReport:
    """Statistics of one stage.

    Attributes
    ----------
    stage : str
        "setup", "share_keys", "collect_masked_vectors" or "unmask".
    asked, answered : int
        Nodes that were sent the stage's request, and nodes whose answer was accepted.
    seconds : float
        From the first request to the end of the stage.
    bytes_down, bytes_up : int
        Length of the protocol's messages to all nodes and from all nodes, without the model and
        Flower's own framing.
    """

    stage: str
    asked: int = 0
    answered: int = 0
    seconds: float = 0.0
    bytes_down: int = 0
    bytes_up: int = 0

    def __str__(self) -> str:
        """One line for the log."""
        name = self.stage.replace("_", " ")
        return f"{name}: {self.answered} of {self.asked} in {self.seconds:.1f} s"


@dataclass
class RoundReport:
    """Statistics of one round, which hold no model.

    Attributes
    ----------
    group_id, message_type : str
        Of the messages of the round: Flower's number of the round, and "train" or "evaluate".
    nodes : list of int
        All nodes of the round.
    failures : dict of int to str
        By node, what it did not answer and why; and a node whose secret could not be recovered,
        since it or holders of its shares lied.
    stages : list of StageReport
        Seconds and bytes of each stage.
    survivors : list of int
        The nodes whose updates the mean contains; empty if there is none.
    error : str or None
        Why the round has no mean.
    error_bound : float or None
        The largest possible error of any element of the mean; for an array with a clipping range of
        its own, as many times more or less as that range is wider or narrower. None without a mean.
    clipped : int or None
        Clients of the mean with an element beyond the clipping range. None without a mean.
    """

    group_id: str
    message_type: str
    nodes: list[int]
    failures: dict[int, str]
    stages: list[StageReport]
    survivors: list[int] = field(default_factory=list)
    error: str | None = None
    error_bound: float | None = None
    clipped: int | None = None
