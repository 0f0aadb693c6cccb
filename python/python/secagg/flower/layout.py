"""Named arrays as one vector, and back."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from flwr.app import Array, ArrayRecord, RecordDict
from numpy.typing import NDArray

from ._records import of_kind
from .errors import BadArrays
from .npy import in_place
from .ranges import Key, Ranges, bound_of, factor, idle, is_skipped, scaled

Numbers: TypeAlias = NDArray[Any]
"""An array of whatever type a model has."""

Records: TypeAlias = Mapping[str, ArrayRecord]
"""Records of arrays by name, as a message holds them."""

EMPTY = "_empty"
"""What Flower calls the array that stands for no arrays."""

EXACT = 2**53
"""Up to here all integers are floats of 64 bits."""

NEAR_TIE = 1e-3
"""A mean is never moved further than this to a tie: a bound is the worst case, and not the
error."""

ADVICE = (
    "name them in skip=[...] of the SecAggGrid or the workflow, and they are not averaged but keep the "
    "value that the server sent"
)


@dataclass(frozen=True)
class Part:
    """One array of the vector."""

    key: Key
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    bound: float | None = None
    """Its clipping range; None for that of the round."""

    @property
    def size(self) -> int:
        """Elements; an array without axes has one."""
        return math.prod(self.shape)

    @property
    def name(self) -> str:
        """The array's name in its record."""
        return self.key[1]


@dataclass(frozen=True)
class Layout:
    """The arrays of a model, those that are averaged and those that are not.

    The averaged ones lie one behind the other in the vector, each in C order. An array with a
    clipping range of its own is scaled to that of the round, and back.
    """

    parts: tuple[Part, ...]
    skipped: Mapping[Key, Array] = field(default_factory=dict, compare=False)
    """The arrays that are not averaged, as they were sent."""
    order: tuple[Key, ...] = ()
    """All arrays, in the order of the model."""

    @classmethod
    def of(cls, records: Records, skip: Sequence[str] = (), ranges: Ranges = ()) -> Layout:
        """The layout of the arrays that a server sends.

        Raises
        ------
        BadArrays
            If any array has no mean, a pattern matches none, or all are skipped; the message names
            all of them.
        """
        arrays = {
            (record, name): array
            for record, arrays in records.items()
            for name, array in arrays.items()
            if name != EMPTY
        }
        skipped = {key: array for key, array in arrays.items() if is_skipped(key, skip)}
        parts, bad = [], []
        for key in [key for key in arrays if key not in skipped]:
            numbers, problem = _read(arrays[key])
            if problem:
                bad.append(f"array {_label(key, records)} {problem}")
            else:
                parts.append(Part(key, numbers.dtype, numbers.shape, bound_of(key, ranges)))
        words = [f"{', '.join(bad)}: {ADVICE}"] if bad else []
        words += idle(list(arrays), skip, ranges)
        if arrays and len(skipped) == len(arrays):
            words.append("skip names all arrays: there is nothing to average")
        _refuse(words)
        return cls(tuple(parts), skipped, tuple(arrays))

    @property
    def dimension(self) -> int:
        """Elements of the vector."""
        return sum(part.size for part in self.parts)

    def vector_dtype(self, more: int = 0) -> np.dtype[Any]:
        """The dtype of the vector with some numbers behind it.

        It is float32 if that holds every dtype's values, otherwise float64. Numbers that are
        scaled, and those behind the arrays, are float64, since float32 would round them once more
        than the error bound of a mean says.
        """
        if more or any(part.bound is not None for part in self.parts):
            return np.dtype(np.float64)
        return np.result_type(np.float32, *(part.dtype for part in self.parts))

    def flatten(self, records: Records, clipping_range: float, more: Sequence[float] = ()) -> Numbers:
        """The vector of the arrays that a client replies, with some numbers behind it.

        Raises
        ------
        BadArrays
            If names or shapes are others than those of the layout, or an array has no mean.
        """
        arrays, bad = self._matching(records), []
        vector = np.empty(self.dimension + len(more), self.vector_dtype(len(more)))
        for part, place in self.places():
            numbers, problem = _read(arrays[part.key])
            if not problem and numbers.shape != part.shape:
                problem = f"has the shape {numbers.shape}, and {part.shape} in the model that was sent"
            if problem:
                bad.append(f"array {self.label(part)} {problem}")
                continue
            lanes = numbers.reshape(-1)
            vector[place] = lanes if part.bound is None else scaled(lanes, clipping_range, part.bound)
        _refuse(bad)
        vector[self.dimension :] = more
        return vector

    def unflatten(self, vector: Numbers, clipping_range: float, error: float = 0.0) -> dict[str, ArrayRecord]:
        """The records of a mean, named, typed and ordered as the model; skipped arrays as they were
        sent.

        Means of integers are rounded to the nearest, ties to even, and a bool is true from one half
        on. A mean within `error` of a tie, and within `NEAR_TIE`, is one.
        """
        arrays = dict(self.skipped)
        for part, place in self.places():
            mean, scale = vector[place], 1.0
            if part.bound is not None:
                scale = factor(clipping_range, part.bound)
                mean = (mean / scale).clip(-part.bound, part.bound)
            arrays[part.key] = Array(_cast(mean, part.dtype, error / scale).reshape(part.shape))
        records: dict[str, dict[str, Array]] = {}
        for record, name in self.order:
            records.setdefault(record, {})[name] = arrays[record, name]
        return {record: ArrayRecord(arrays) for record, arrays in records.items()}

    def cast_back(self, record: ArrayRecord, of: str | None = None) -> ArrayRecord:
        """A strategy's result in the dtypes of the model that was sent; skipped arrays as they were
        sent.

        `of` names the record that the result takes the place of, which is of matter where several
        records have an array of one name. Arrays that the model does not have, that could be one of
        several, or that cannot be cast, are left as they are.
        """
        dtypes = {part.key: part.dtype for part in self.parts}

        def cast(name: str, array: Array) -> Array:
            keys = [key for key in self.order if key[1] == name]
            keys = [key for key in keys if key[0] == of] or keys
            if len(keys) != 1:
                return array
            (key,) = keys
            return _cast_array(array, dtypes[key]) if key in dtypes else self.skipped[key]

        return ArrayRecord({name: cast(name, array) for name, array in record.items()})

    def changed(self, records: Records) -> list[str]:
        """The skipped arrays that a reply has other values of than the model that was sent."""
        found = self._by_key(records)
        return [
            self.label(key)
            for key, sent in self.skipped.items()
            if key in found and found[key].data != sent.data
        ]

    def label(self, part: Part | Key) -> str:
        """An array's name in messages: with that of its record where there are several."""
        return _label(part.key if isinstance(part, Part) else part, {record for record, _ in self.order})

    def places(self) -> Iterator[tuple[Part, slice]]:
        """The arrays, each with its place in the vector."""
        start = 0
        for part in self.parts:
            yield part, slice(start, start := start + part.size)

    def _by_key(self, records: Records) -> dict[Key, Array]:
        """The arrays of a reply. Where there is one record on both sides, its name is of no
        matter."""
        sent = list(dict.fromkeys(record for record, _ in self.order))
        if len(sent) == 1 and len(records) == 1:
            records = dict(zip(sent, records.values(), strict=True))
        return {
            (record, name): array
            for record, arrays in records.items()
            for name, array in arrays.items()
            if name != EMPTY
        }

    def _matching(self, records: Records) -> dict[Key, Array]:
        """The arrays of a reply. Those that are skipped may be missing, unless names are places in
        a list."""
        found = self._by_key(records)
        listed = [name for _, name in self.order] == [str(place) for place in range(len(self.order))]
        due = self.order if listed else [part.key for part in self.parts]
        missing = [self.label(key) for key in due if key not in found]
        unknown = [_label(key, records) for key in found if key not in self.order]
        words = [f"the reply lacks the arrays {', '.join(missing)} of the model that was sent: {ADVICE}"] if missing else []
        if unknown:
            words.append(f"the reply has the arrays {', '.join(unknown)}, which are not in the model that was sent")
        _refuse(words)
        return found


def as_floats(record: ArrayRecord) -> ArrayRecord:
    """The arrays of a record as any strategy can average them: integers and bools become float64,
    and float16 float32.

    Flower's FedAvg averages in place, in the dtype that it is given, and a part of an integer is 0;
    its FedAdam divides by 1e-9, which float16 does not hold. What holds no real numbers, and is
    therefore skipped, becomes zeros. `Layout.cast_back` is the way back.
    """
    return ArrayRecord({name: _as_floats(array) for name, array in record.items()})


def stand_ins(record: ArrayRecord) -> ArrayRecord:
    """The arrays of a record, and zeros for those that no strategy could average."""
    return ArrayRecord(
        {name: _as_floats(array) if _read(array)[1] else array for name, array in record.items()}
    )


def hash_of(content: RecordDict) -> str:
    """The SHA-256 of the names and serialized arrays in a content, in hexadecimal digits."""
    sha256 = hashlib.sha256(b"secagg flower arrays")
    for record_name, record in of_kind(ArrayRecord, content).items():
        for name, array in record.items():
            for part in (record_name.encode(), name.encode(), array.data):
                sha256.update(len(part).to_bytes(8, "little"))
                sha256.update(part)
    return sha256.hexdigest()


def _read(array: Array) -> tuple[Numbers, str]:
    """An array, and why it has no mean: nothing if it has one."""
    try:
        numbers = in_place(array)
    except (TypeError, ValueError) as error:
        return np.zeros(()), f"cannot be read by numpy ({error})"
    if numbers.dtype.kind not in "fiub" or (numbers.dtype.kind == "f" and numbers.dtype.itemsize > 8):
        return numbers, f"is of {numbers.dtype}, which is none of floats up to 64 bits, integers and bools"
    if numbers.dtype.kind in "iu" and numbers.dtype.itemsize == 8 and numbers.size:
        if max(int(numbers.max()), -int(numbers.min())) > EXACT:
            return numbers, "holds integers beyond 2**53, which a mean would change"
    return numbers, ""


def _refuse(words: list[str]) -> None:
    if words:
        raise BadArrays("; ".join(words))


def _as_floats(array: Array) -> Array:
    numbers, problem = _read(array)
    if numbers.dtype.kind in "iub":
        return Array(numbers.astype(np.float64))
    if problem:
        return Array(np.zeros(numbers.shape))
    return Array(numbers.astype(np.float32)) if numbers.dtype.itemsize < 4 else array


def _cast_array(array: Array, dtype: np.dtype[Any]) -> Array:
    if array.dtype == str(dtype):
        return array
    numbers = in_place(array)
    if numbers.dtype == dtype or not np.isfinite(numbers).all():
        return array
    return Array(_cast(numbers, dtype))


def _cast(numbers: Numbers, dtype: np.dtype[Any], error: float = 0.0) -> Numbers:
    """Numbers in a dtype: integers are rounded to the nearest, and a bool is true from one half on.

    A float beyond the dtype's largest becomes that.
    """
    if dtype.kind == "f":
        if dtype.itemsize < numbers.itemsize:
            numbers = np.asarray(numbers.clip(np.finfo(dtype).min, np.finfo(dtype).max))
        return numbers.astype(dtype, copy=False)
    error = min(error, NEAR_TIE)
    if dtype.kind == "b":
        return np.asarray(numbers >= 0.5 - error)
    limits = np.iinfo(dtype)
    halves = np.rint(numbers * 2.0) / 2.0
    whole = np.asarray(np.rint(np.where(np.abs(numbers - halves) <= error, halves, numbers)))
    # As a float, the largest integer of 64 bits is one more than itself, which no cast can take.
    largest = whole >= float(limits.max)
    cast: Numbers = np.where(largest, 0.0, whole.clip(limits.min)).astype(dtype)
    cast[largest] = limits.max
    return cast


def _label(key: Key, records: Mapping[str, Any] | set[str]) -> str:
    return repr(key[1] if len(records) == 1 else "/".join(key))
