"""Many rows of one group at once: bytes become numpy columns without a step for each value.

Rows of one form (`row_layouts`) are lines of one matrix, whose columns are the fields. What lies in
the tail of a row (values of variable width, and there nulls and the status, too) is read by a
parser, and so is all of a row that is not of the canonical form. Answers are those of `RowCodec`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from .proto.headrace.v1.feature_service_pb2 import FeatureRow
from .row_layouts import Form, Layout, Matrix, Numbers, bitmap_size, form_of, null_bits
from .rows import FIXED, RowCodec, Value

Places: TypeAlias = npt.NDArray[np.intp]
Flags: TypeAlias = npt.NDArray[np.bool_]

_REMEMBERED = 1024
_FEW = 2  # rows that are read sooner by a parser than by columns


class Pick:
    """Some features by name, looked up in one schema.

    Attributes:
        features: Their places in the schema; -1 for one that it does not have.
        order: Their places among the values of a row; 0 for one that it does not have.
        is_whole: Whether they are all numbers of a row, in the order in which they lie there.
    """

    def __init__(self, codec: RowCodec, names: Sequence[str]) -> None:
        """Look them up."""
        self.features = np.array([codec.named.get(name, -1) for name in names], np.intp)
        absent = self.features < 0
        self._absent = absent if absent.any() else None
        self.order = np.where(absent, 0, codec.order[self.features])
        numbers = sum(feature.dtype in FIXED for feature in codec.features)
        self.is_whole = not absent.any() and self.order.tolist() == list(range(numbers))

    def nulls(self, nulls: Flags | None, count: int) -> Flags | None:
        """Which of the picked values are null, given which values of the rows are.

        A row that was written before its group had a feature has it as null.
        """
        if nulls is not None:
            nulls = nulls[:, self.features]
        if self._absent is None:
            return nulls
        if nulls is None:
            nulls = np.zeros((count, len(self.features)), np.bool_)
        nulls[:, self._absent] = True
        return nulls


class LaidOut:
    """Rows of one form.

    Attributes:
        lines: Their bytes as far as the layout describes them, one row per line.
    """

    def __init__(self, layout: Layout, places: Places, rows: Matrix, raw: Sequence[bytes]) -> None:
        """Keep them; `places` are theirs among all rows."""
        self.codec, self.places = layout.codec, places
        self.layout, self.lines = layout, rows
        self._tails = (
            None
            if layout.is_whole
            else [FeatureRow.FromString(raw[place][layout.tail :]) for place in places.tolist()]
        )

    def enter(self, heads: "Heads") -> None:
        """Enter what these rows say of themselves."""
        heads.found[self.places] = heads.readable[self.places] = True
        heads.event_timestamps[self.places] = self.layout.event_timestamps(self.lines)
        heads.generations[self.places] = self.layout.generations(self.lines)
        heads.table_versions[self.places] = self.layout.table_versions(self.lines)
        heads.statuses[self.places] = (
            self.layout.statuses(self.lines)
            if self._tails is None
            else [tail.status for tail in self._tails]
        )

    def nulls(self, pick: Pick) -> Flags | None:
        """Which of the picked values are null (rows × features); `None`: none is."""
        return pick.nulls(self._nulls(), len(self.places))

    def numbers(self, pick: Pick) -> npt.NDArray[np.float64]:
        """The picked values as float64 (rows × features), all numeric; anything where null."""
        found = self.layout.numbers(self.lines)
        if pick.is_whole:
            return found
        if not found.size:  # the schema has no number yet
            return np.zeros((len(self.places), len(pick.order)))
        return found[:, pick.order]

    def native(self, feature: int) -> Numbers | None:
        """A feature's values as they lie in the row; `None` where their width varies."""
        field, position = self.codec.places[feature]
        if self.codec.features[feature].dtype not in FIXED:
            return None
        return self.layout.column(self.lines, field, position)

    def _nulls(self) -> Flags | None:
        if self._tails is None:
            return self.layout.nulls(self.lines)
        size = bitmap_size(self.codec)
        bitmaps = b"".join(tail.null_bitmap[:size].ljust(size, b"\0") for tail in self._tails)
        matrix = np.frombuffer(bitmaps, np.uint8).reshape(-1, size)
        return null_bits(matrix, len(self.codec.features))

    def values(self, feature: int) -> list[Value]:
        """A feature's values; anything where null."""
        native = self.native(feature)
        if native is not None:
            return self.codec.decoded(feature, native.tolist())
        field, position = self.codec.places[feature]
        found = [getattr(tail, field)[position] for tail in self._tails or ()]
        return self.codec.decoded(feature, found)


class Parsed:
    """Rows of one schema, of any form."""

    def __init__(self, codec: RowCodec, places: Places, messages: Sequence[FeatureRow]) -> None:
        """Keep them; `places` are theirs among all rows."""
        self.codec, self.places = codec, places
        self._values = [codec.values(message) for message in messages]

    def nulls(self, pick: Pick) -> Flags | None:
        """As of `LaidOut`."""
        nulls = np.array([[value is None for value in row] for row in self._values], np.bool_)
        return pick.nulls(nulls, len(self.places))

    def numbers(self, pick: Pick) -> npt.NDArray[np.float64]:
        """As of `LaidOut`."""
        chosen = pick.features.tolist()
        values = [
            [0.0 if feature < 0 or row[feature] is None else row[feature] for feature in chosen]
            for row in self._values
        ]
        return np.array(values, np.float64).reshape(len(self._values), len(chosen))

    def native(self, feature: int) -> Numbers | None:  # noqa: ARG002  # as of `LaidOut`
        """There is nothing but Python's values."""
        return None

    def values(self, feature: int) -> list[Value]:
        """As of `LaidOut`."""
        return [row[feature] for row in self._values]


Block: TypeAlias = LaidOut | Parsed


@dataclass(frozen=True, slots=True)
class Heads:
    """What rows say of themselves, one entry per row; zero where there is no row.

    Attributes:
        found: Whether there is a row.
        readable: Whether its schema is known.
        statuses: `RowStatus` as the server judged it.
    """

    found: Flags
    readable: Flags
    event_timestamps: npt.NDArray[np.int64]
    generations: npt.NDArray[np.int64]
    table_versions: npt.NDArray[np.int64]
    statuses: npt.NDArray[np.int32]

    @classmethod
    def nothing(cls, count: int) -> "Heads":
        """Where no row was found yet."""
        found, readable = np.zeros(count, np.bool_), np.zeros(count, np.bool_)
        timestamps, generations, versions = (np.zeros(count, np.int64) for _ in range(3))
        statuses = np.zeros(count, np.int32)
        return cls(found, readable, timestamps, generations, versions, statuses)


@dataclass(frozen=True, slots=True)
class Batch:
    """Decoded rows: their heads, and their values in blocks of one schema each."""

    heads: Heads
    blocks: Sequence[Block]

    def __len__(self) -> int:
        """The number of rows."""
        return len(self.heads.found)


class BatchDecoder:
    """Decodes rows of one group, of all its schemas; several threads may use it."""

    def __init__(self, codecs: Mapping[int, RowCodec]) -> None:
        """Decode rows of these schemas, by schema id."""
        self.codecs = codecs
        self._layouts: dict[Form, Layout] = {}
        self._picks: dict[tuple[int, tuple[str, ...]], Pick] = {}

    def decode(self, rows: Sequence[bytes]) -> Batch:
        """Decode stored rows, with or without a status behind them; empty ones are no row.

        Raises:
            google.protobuf.message.DecodeError: The bytes are no row at all.
        """
        lengths = np.fromiter(map(len, rows), np.intp, len(rows))
        heads, blocks = Heads.nothing(len(rows)), list[Block]()
        waiting = np.flatnonzero(lengths)
        others: list[int] = []
        if len(waiting) <= _FEW:
            others, waiting = waiting.tolist(), waiting[:0]
        while waiting.size:
            layout = self._layout(rows[waiting[0]])
            if layout is None:
                others.append(int(waiting[0]))
                waiting = waiting[1:]
                continue
            left = lengths[waiting]
            chosen = left == layout.size if layout.is_whole else left >= layout.size
            places = waiting[chosen]
            matrix = _stacked(rows, places, layout)
            fit = layout.fits(matrix)
            if not fit.all():
                if not fit[0]:  # not of the form that it promises: it and its like are for a parser
                    others += places[~fit].tolist()
                else:
                    chosen[chosen] = fit
                places, matrix = places[fit], matrix[fit]
            block = LaidOut(layout, places, matrix, rows)
            block.enter(heads)
            blocks.append(block)
            waiting = waiting[~chosen]
        blocks += self._parsed(rows, others, heads)
        return Batch(heads, blocks)

    def pick(self, codec: RowCodec, names: tuple[str, ...]) -> Pick:
        """Features by name in one of the schemas."""
        known = self._picks.get((codec.schema_id, names))
        if known is None:
            if len(self._picks) >= _REMEMBERED:
                self._picks.clear()
            known = self._picks[codec.schema_id, names] = Pick(codec, names)
        return known

    def _layout(self, row: bytes) -> Layout | None:
        form = form_of(row, self.codecs)
        if form is None:
            return None
        layout = self._layouts.get(form)
        if layout is None:
            layout = self._layouts[form] = Layout(self.codecs[form.schema_id], form)
        return layout if len(row) >= layout.size else None

    def _parsed(self, rows: Sequence[bytes], places: Sequence[int], heads: Heads) -> list[Parsed]:
        """Rows that a parser has to read; their heads are entered."""
        found: dict[int, list[tuple[int, FeatureRow]]] = {}
        for place in places:
            message = FeatureRow.FromString(rows[place])
            heads.statuses[place] = message.status
            if message.HasField("event_timestamp"):
                heads.found[place] = True
                heads.event_timestamps[place] = message.event_timestamp
                heads.generations[place] = message.generation
                heads.table_versions[place] = message.table_version
                if message.schema_id in self.codecs:
                    heads.readable[place] = True
                    found.setdefault(message.schema_id, []).append((place, message))
        return [
            Parsed(
                self.codecs[schema_id],
                np.array([place for place, _ in entries]),
                [message for _, message in entries],
            )
            for schema_id, entries in found.items()
        ]


def _stacked(rows: Sequence[bytes], places: Places, layout: Layout) -> Matrix:
    """The described part of some rows, one per line."""
    if layout.is_whole:
        chosen = rows if len(places) == len(rows) else [rows[at] for at in places.tolist()]
    else:
        chosen = [rows[at][: layout.size] for at in places.tolist()]
    return np.frombuffer(b"".join(chosen), np.uint8).reshape(-1, layout.size)
