"""How long each stage of a round may take."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

LATER = {"setup": 3, "share_keys": 2, "collect_masked_vectors": 1, "unmask": 0}
"""How many stages follow each."""

PARTS = 5
"""A timeout of all stages has a part for each stage, and training has two."""


@dataclass(frozen=True)
class Deadlines:
    """Limits in seconds, each of which may be None for no limit.

    Under a timeout of all stages, each stage but training may take `stage` seconds, at most a fifth
    of the whole, and as much is kept back for each that follows. Training has the rest. So a node
    that is silent, at whatever stage, costs its own update and not the round.

    Parameters
    ----------
    whole : float or None
        Of all stages together, counted from now.
    stage : float or None
        Of each stage but training.
    training : float or None
        Of training.
    """

    whole: float | None
    stage: float | None
    training: float | None
    started: float = field(default_factory=time.monotonic)

    def limit(self, stage: str) -> float | None:
        """Seconds that a stage may take which starts now."""
        share = _least(self.stage, None if self.whole is None else self.whole / PARTS)
        own = {"collect_masked_vectors": self.training, "unmask": self.stage}.get(stage, share)
        if self.whole is None:
            return own
        left = self.started + self.whole - time.monotonic()
        return max(_least(own, left - LATER[stage] * (share or 0.0)) or 0.0, 0.0)


def _least(*limits: float | None) -> float | None:
    return min((limit for limit in limits if limit is not None), default=None)
