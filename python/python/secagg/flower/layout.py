"""Named arrays as one vector, and back."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from flwr.app import Array, ArrayRecord, RecordDict
from numpy.typing import NDArray

from .errors import BadArrays

Numbers: TypeAlias = NDArray[Any]
"""An array of whatever type a model has."""

EMPTY = "_empty"
"""What Flower calls the array that stands for no arrays."""


@dataclass(frozen=True)
class Layout:
    """Names, dtypes and shapes of the arrays of a model, in order.

    The arrays lie one behind the other in the vector, each in C order. The vector is of float32 if that
    holds every dtype's values, otherwise of float64.
    """

    names: tuple[str, ...]
    dtypes: tuple[np.dtype[Any], ...]
    shapes: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, arrays: Mapping[str, Numbers]) -> Layout:
        """The layout of these arrays.

        Raises
        ------
        BadArrays
            For an array that is not of real numbers.
        """
        for name, array in arrays.items():
            if array.dtype.kind not in "fiu":
                raise BadArrays(f"array {name!r} is of {array.dtype}; only floats and integers have a mean")
        return cls(
            tuple(arrays),
            tuple(array.dtype for array in arrays.values()),
            tuple(array.shape for array in arrays.values()),
        )

    @property
    def dimension(self) -> int:
        """Elements of the vector."""
        return sum(self.sizes)

    @property
    def sizes(self) -> list[int]:
        """Elements of each array; an array without axes has one."""
        return [math.prod(shape) for shape in self.shapes]

    @property
    def vector_dtype(self) -> np.dtype[Any]:
        """The dtype of the vector."""
        return np.result_type(np.float32, *self.dtypes)

    def flatten(self, arrays: Mapping[str, Numbers], *more: float) -> Numbers:
        """The vector of these arrays, with some numbers behind it.

        Raises
        ------
        BadArrays
            If names or shapes are others than those of the layout, or an array is not of real numbers.
        """
        self._check(arrays)
        vector = np.empty(self.dimension + len(more), self.vector_dtype)
        for name, place in self._places():
            vector[place] = arrays[name].reshape(-1)
        vector[self.dimension :] = more
        return vector

    def unflatten(self, vector: Numbers) -> dict[str, Numbers]:
        """The arrays of a vector, of the layout's dtypes. Means of integers are rounded."""
        return {
            name: _cast(vector[place], dtype).reshape(shape)
            for (name, place), dtype, shape in zip(self._places(), self.dtypes, self.shapes, strict=True)
        }

    def cast_back(self, record: ArrayRecord) -> ArrayRecord:
        """A strategy's result in the dtypes of the model that was sent.

        Arrays that the model does not have, or that cannot be cast, are left as they are.
        """
        dtypes = dict(zip(self.names, self.dtypes, strict=True))
        return ArrayRecord(
            {name: _cast_array(array, dtypes[name]) if name in dtypes else array for name, array in record.items()}
        )

    def largest(self, vector: Numbers) -> dict[str, float]:
        """The largest absolute value of each array; not a number if it holds one that is none."""
        return {
            name: float(max(part.max(), -part.min()))
            for name, place in self._places()
            if (part := vector[place]).size
        }

    def _check(self, arrays: Mapping[str, Numbers]) -> None:
        if set(arrays) != set(self.names):
            raise BadArrays(
                f"the update has the arrays {sorted(arrays)}, the model that was sent has "
                f"{sorted(self.names)}"
            )
        for name, shape in zip(self.names, self.shapes, strict=True):
            if (found := arrays[name].shape) != shape:
                raise BadArrays(
                    f"array {name!r} has the shape {found}, and {shape} in the model that was sent"
                )
        Layout.of(arrays)

    def _places(self) -> list[tuple[str, slice]]:
        ends = np.cumsum(self.sizes, dtype=np.int64).tolist()
        return [
            (name, slice(end - size, end))
            for name, end, size in zip(self.names, ends, self.sizes, strict=True)
        ]


def arrays_of(record: ArrayRecord) -> dict[str, Numbers]:
    """The arrays of a record, by name.

    Raises
    ------
    BadArrays
        For an array that is not serialized by numpy.
    """
    try:
        return {name: array.numpy() for name, array in record.items() if name != EMPTY}
    except TypeError as error:
        raise BadArrays(f"arrays must be serialized by numpy: {error}") from error


def as_floats(record: ArrayRecord) -> ArrayRecord:
    """The arrays of a record as any strategy can average them: integers and bools become float64.

    Flower's FedAvg averages in place, in the dtype that it is given, and a part of an integer is 0.
    `Layout.cast_back` is the way back.
    """
    return ArrayRecord(
        {
            name: Array(numbers.astype(np.float64)) if (numbers := array.numpy()).dtype.kind in "iub" else array
            for name, array in record.items()
        }
    )


def only_arrays(content: RecordDict) -> ArrayRecord:
    """The one record of arrays in a content.

    Raises
    ------
    BadArrays
        If there are none, or several.
    """
    records = list(content.array_records.values())
    if len(records) != 1:
        raise BadArrays(f"one ArrayRecord is averaged, and there are {len(records)}")
    return records[0]


def hash_of(content: RecordDict) -> str:
    """The SHA-256 of the names and serialized arrays in a content, in hexadecimal digits."""
    sha256 = hashlib.sha256(b"secagg flower arrays")
    for record_name, record in content.array_records.items():
        for name, array in record.items():
            for part in (record_name.encode(), name.encode(), array.data):
                sha256.update(len(part).to_bytes(8, "little"))
                sha256.update(part)
    return sha256.hexdigest()


def _cast_array(array: Array, dtype: np.dtype[Any]) -> Array:
    numbers = array.numpy()
    if numbers.dtype == dtype or not np.isfinite(numbers).all():
        return array
    return Array(_cast(numbers, dtype))


def _cast(part: Numbers, dtype: np.dtype[Any]) -> Numbers:
    """Numbers in a dtype: integers are rounded to the nearest, and a bool is true from one half on."""
    if dtype.kind == "f":
        return part.astype(dtype)
    if dtype.kind == "b":
        return np.asarray(part >= 0.5)
    limits = np.iinfo(dtype)
    whole = np.asarray(np.rint(part))
    # As a float, the largest integer of 64 bits is one more than itself, which no cast can take.
    largest = whole >= float(limits.max)
    cast: Numbers = np.where(largest, 0.0, whole.clip(limits.min)).astype(dtype)
    cast[largest] = limits.max
    return cast
