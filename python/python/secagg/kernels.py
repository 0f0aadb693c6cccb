"""The arithmetic beneath the protocol: seeds become masks, floats become lanes, lanes become bytes.

Arrays are read and written in place. No other thread may write to one while a call uses it.
"""

from ._secagg import (
    PRGS,
    MaskPlan,
    Quantizer,
    backends,
    expand,
    pack,
    packed_len,
    set_threads,
    unpack,
    unpack_add,
)

__all__ = [
    "PRGS",
    "MaskPlan",
    "Quantizer",
    "backends",
    "expand",
    "pack",
    "packed_len",
    "set_threads",
    "unpack",
    "unpack_add",
]
