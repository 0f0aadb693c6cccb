"""Flower's serialized arrays, which are files of numpy's format, read where they are."""

from __future__ import annotations

from io import BytesIO
from typing import Any, Literal

import numpy as np
from flwr.app import Array
from numpy.lib import format as npy
from numpy.typing import NDArray

from ._flwr import SType


def in_place(array: Array) -> NDArray[Any]:
    """A read-only view of an array's bytes, where `Array.numpy` makes two copies.

    Raises
    ------
    TypeError, ValueError
        If the bytes are no array, as `Array.numpy` does.
    """
    file = BytesIO(array.data)  # It copies nothing until it is written to.
    if array.stype != SType.NUMPY or npy.read_magic(file) != (1, 0):
        return array.numpy()
    shape, is_fortran, dtype = npy.read_array_header_1_0(file)
    if dtype.hasobject:
        return array.numpy()
    order: Literal["C", "F"] = "F" if is_fortran else "C"
    return np.ndarray(shape, dtype, array.data, file.tell(), order=order)
