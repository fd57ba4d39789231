"""What lies in a history's file beside its rows: whose they are, and of which partitions.

What was known at a time is known by whole partitions. So an entity's newest row is found by one
look at how many of its rows lie in the partitions before: no search, and no reading of join keys.
"""

import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ...contract.partitions import Partitioning
from ...contract.status import microseconds
from .column_values import Positions, values_of
from .table_spec import EVENT_TIMESTAMP, TableSpec

# More, as of entities with few rows in many hours, is not worth reading.
_BYTES_A_ROW, _SMALL = 6, 1 << 12
_BEGIN = np.dtype("<u4")
_FORM = 1


@dataclass(frozen=True, slots=True)
class CellIndex:
    """Which rows of a file, sorted by join key and event timestamp, are whose.

    Attributes:
        entities: The distinct join keys, in order.
        begins: Where the rows of each begin, and behind the last one where they end.
        before: Of each entity and slot how many of its rows are of partitions before it. A slot is
            a partition of the file, in order, and one more behind the last. At last stands an
            entity without rows, so that -1 is nobody.
        first: The number of the first slot's partition: how many lie between 1970 and it.
        cut: How partitions were counted: their length in microseconds, and 1 where rows bear their
            partition's end.
    """

    entities: NDArray[Any]
    begins: NDArray[Any]
    before: NDArray[Any]
    first: int
    cut: tuple[int, int]

    @classmethod
    def of(cls, rows: pl.DataFrame, spec: TableSpec) -> "CellIndex | None":
        """The index of the rows of one month and bucket.

        Args:
            rows: Sorted as the table's order says.
            spec: The feature table's.

        Returns:
            `None` where the join key is no single number, or the index would be large.
        """
        cut, (key, *more) = table_cut(spec), spec.key
        keys, times = values_of(rows[key]), np.asarray(values_of(rows[EVENT_TIMESTAMP]))
        if cut is None or more or not isinstance(keys, np.ndarray) or keys.dtype.kind != "i":
            return None
        numbers = partition_numbers(times, cut)
        first, slots = int(numbers.min()), int(numbers.max() - numbers.min()) + 2
        starts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
        most = max(_SMALL, _BYTES_A_ROW * len(keys))
        if len(starts) * slots > most:
            return None
        begins = np.append(starts, len(keys))
        rank = np.repeat(np.arange(len(starts)), np.diff(begins))
        counts = np.bincount(
            rank * slots + (numbers - first) + 1, minlength=(len(starts) + 1) * slots
        )
        before = np.cumsum(counts.reshape(-1, slots), axis=1)
        width = np.min_scalar_type(before.max()).newbyteorder("<")
        index = cls(keys[starts], begins.astype(_BEGIN), before.astype(width), first, cut)
        return index if sum(array.nbytes for array in index.arrays) <= most else None

    @property
    def arrays(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """What is stored, in order."""
        return self.entities, self.begins, self.before

    def newest(
        self, entities: Positions, partitions: NDArray[np.int64]
    ) -> tuple[Positions, Positions]:
        """Find the newest row of each of some entities, up to a partition each.

        Args:
            entities: Positions in `entities`, or -1.
            partitions: Their numbers.

        Returns:
            Which of them have such a row, and where in the file each of those rows is.
        """
        slots = self.before.shape[1]
        at = np.clip(partitions - (self.first - 1), 0, slots - 1)
        at += entities * slots
        # -1 counts from the end, where the row lies that stands for nobody.
        count = self.before.ravel().take(at, mode="wrap")
        there = np.flatnonzero(count)
        return there, self.begins.take(entities.take(there)) + count.take(there) - np.int64(1)

    def to_bytes(self) -> tuple[bytes, str]:
        """The arrays one behind the other, and the words that tell how to read them."""
        content = b"".join(array.tobytes() for array in self.arrays)
        words = {
            "form": _FORM,
            "entities": len(self.entities),
            "slots": self.before.shape[1],
            "first": self.first,
            "cut": self.cut,
            "types": [array.dtype.str for array in self.arrays],
            "crc": zlib.crc32(content),
        }
        return content, json.dumps(words)

    @classmethod
    def from_bytes(cls, content: memoryview, words: str) -> "CellIndex | None":
        """What `to_bytes` gave; `None` if it was that of another release.

        Raises:
            ValueError: It is damaged.
        """
        said = json.loads(words)
        if said.get("form") != _FORM:
            return None
        if said.get("crc") != zlib.crc32(content):
            msg = "the index beside the rows is damaged"
            raise ValueError(msg)
        try:
            count, slots = int(said["entities"]), int(said["slots"])
            entities, begins, before = _split(content, said["types"], count, slots)
            length, shift = said["cut"]
            first = int(said["first"])
        except (KeyError, TypeError) as error:
            msg = f"the words on the index beside the rows cannot be read ({error!r})"
            raise ValueError(msg) from error
        return cls(entities, begins, before.reshape(-1, slots), first, (length, shift))


def _split(
    content: memoryview, types: Sequence[str], entities: int, slots: int
) -> Iterator[NDArray[Any]]:
    sizes, offset = (entities, entities + 1, (entities + 1) * slots), 0
    for dtype, size in zip(types, sizes, strict=True):
        array = np.frombuffer(content, dtype, size, offset)
        offset += array.nbytes
        yield array


def table_cut(spec: TableSpec) -> tuple[int, int] | None:
    """How a table's partitions are counted; `None`: they are not by time."""
    if not isinstance(spec.partitioning, Partitioning):
        return None
    return cut_of(spec.partitioning, stamped_at_end=spec.stamped_at_end)


def cut_of(partitioning: Partitioning, *, stamped_at_end: bool) -> tuple[int, int]:
    """How partitions are counted, as `CellIndex.cut` has it."""
    return microseconds(partitioning.length), int(stamped_at_end)


def partition_numbers(instants: NDArray[np.int64], cut: tuple[int, int]) -> NDArray[np.int64]:
    """The numbers of the partitions whose rows may bear these event timestamps."""
    length, shift = cut
    return (instants - shift) // length
