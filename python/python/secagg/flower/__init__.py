"""Secure aggregation for `Flower <https://flower.ai>`_: a change of one import on each side.

On the clients, `secagg_mod` (or `secaggplus_mod`) is the first of the mods. On the server, an app of the legacy API
takes `SecAggWorkflow` or `SecAggPlusWorkflow` from here rather than from Flower, and one of the Message API gives its
strategy a `SecAggGrid`.
"""

from .errors import (
    BadArrays,
    BadReply,
    NotAgreed,
    PlainMessage,
    RoundFailed,
    TooHeavy,
    UnsuitableStrategy,
)
from .grid import SecAggGrid
from .mod import SecAggMod, secagg_mod, secaggplus_mod
from .workflow import SecAggPlusWorkflow, SecAggWorkflow
from .workflow_state import WorkflowState

__all__ = [
    "BadArrays",
    "BadReply",
    "NotAgreed",
    "PlainMessage",
    "RoundFailed",
    "SecAggGrid",
    "SecAggMod",
    "SecAggPlusWorkflow",
    "SecAggWorkflow",
    "TooHeavy",
    "UnsuitableStrategy",
    "WorkflowState",
    "secagg_mod",
    "secaggplus_mod",
]
