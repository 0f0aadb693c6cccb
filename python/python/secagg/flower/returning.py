"""The types of a model, given back to what a strategy of the Message API makes of a mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flwr.app import ArrayRecord

from . import strategies
from .layout import Layout

VERB = "aggregate_train"


@dataclass(frozen=True)
class CastingBack:
    """A strategy's `aggregate_train` for one call, whose result has the types of the model.

    Flower's strategies average everything as native floats: integers and bools come out as float64,
    and text cannot be averaged at all. A grid sees nothing of the result, so this stands before the
    method until it is called.
    """

    strategy: Any
    layout: Layout
    own: Any
    """The method that the strategy's instance had for itself, if any."""

    @classmethod
    def once(cls, strategy: Any, layout: Layout) -> None:
        """Casts the next result of a strategy."""
        own = vars(strategy).get(VERB)
        vars(strategy)[VERB] = cls(strategy, layout, own.own if isinstance(own, cls) else own)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Aggregates as the strategy does, and casts the arrays."""
        del vars(self.strategy)[VERB]
        if self.own is not None:
            vars(self.strategy)[VERB] = self.own
        result = getattr(self.strategy, VERB)(*args, **kwargs)
        if isinstance(result, tuple) and isinstance(result[0], ArrayRecord):
            return self.layout.cast_back(result[0], strategies.record_of_model(self.strategy)), *result[1:]
        return result
