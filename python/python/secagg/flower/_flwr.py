"""What is taken from Flower that has moved from one of its versions to another, or has no public home."""

from __future__ import annotations

try:
    from flwr.compat.common import recorddict_compat
except ImportError:
    from flwr.common import recorddict_compat  # type: ignore[no-redef]

try:
    from flwr.serverapp import Grid
except ImportError:
    from flwr.server import Grid

from flwr.common.constant import ErrorCode, MessageTypeLegacy, SType

__all__ = ["ErrorCode", "Grid", "MessageTypeLegacy", "SType", "recorddict_compat"]
