"""Comparing what is stored of a group with what is expected, byte by byte."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from google.protobuf.message import DecodeError

from ...contract.feature_group import FeatureGroupSpec, Online
from ...contract.keys import ENTITY_AT, KeyValue, entity_decoder
from ...contract.order import Order, decode_order
from ...contract.proto.headrace.v1.feature_service_pb2 import FeatureRow
from ...contract.rows import codecs, from_microseconds
from .byte_column import ByteColumn
from .drawn_rows import Rows
from .expected_rows import ExpectedRows
from .online_group import OnlineGroup
from .publisher import one_ahead
from .row_encoding import encode_keys, encode_values

_LISTED = 100
_EQUAL, _ABSENT = "equal", "absent"
_AGREED = (_EQUAL, _ABSENT)
SUSPECTS = 100_000
"""How many suspects a comparison remembers."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One entity whose row is not the expected one.

    Attributes:
        entity: The join key values by name.
        problem: `"missing"`, `"differing"` or `"extra"`.
        detail: What differs, or which row it is.
    """

    entity: Mapping[str, KeyValue]
    problem: str
    detail: str


@dataclass(slots=True)
class Comparison:
    """A walk over expected and stored rows, and what it found.

    Attributes:
        counts: Of entities that are equal, absent, differing, missing, extra or superseded.
        suspects: The keys of those that are not equal, or of the first of them.
    """

    expected: ExpectedRows
    group_id: int
    stored: OnlineGroup
    counts: dict[str, int] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)
    suspects: list[bytes] = field(default_factory=list)

    @property
    def disputed(self) -> int:
        """How many are not equal."""
        return sum(count for problem, count in self.counts.items() if problem not in _AGREED)

    def corrected_by(self, again: "Comparison") -> None:
        """Take over what another comparison found of all that are not equal in this one."""
        agreed = {each: self.counts[each] for each in _AGREED if each in self.counts}
        self.counts = dict(again.counts)
        for each, number in agreed.items():
            self.count(each, number)
        self.differences, self.suspects = again.differences, again.suspects

    def compare(self, parts: Iterable[Rows]) -> Iterator[ByteColumn]:
        """Compare these rows with what is stored of their entities.

        Yields:
            The keys of each part, once it is compared.
        """
        for keys, rows, (commit, part) in one_ahead(self._encoded(parts)):
            unequal = self.stored.unequal(keys, rows)
            self.count(_EQUAL, len(keys) - len(unequal))
            if unequal:
                self._compare_by_earlier_schemas(unequal, keys, (commit, part))
            yield keys

    def compare_entities(self, entities: pl.DataFrame) -> None:
        """Compare what is stored of these entities, also of those that should have no row."""
        asked = encode_keys(self.expected.group, self.group_id, entities)
        seen = {key for keys in self.compare(self.expected.of(entities)) for key in keys}
        unexpected = [key for key in asked if key not in seen]
        for key, row in zip(unexpected, self.stored.rows(unexpected), strict=True):
            self.judge(key, None, row)

    def judge(self, key: bytes, want: bytes | None, got: bytes | None) -> None:
        """Count an entity: `want` should be stored (`None`: no live row), `got` is."""
        live = got if got is not None and self.is_live(got) else None
        if want == live:
            self.count(_ABSENT if want is None else _EQUAL)
            return
        if len(self.suspects) < SUSPECTS:
            self.suspects.append(key)
        if self._is_in_flight(want) or self._is_in_flight(got):
            self.count("superseded")
        elif want is None:
            self._report("extra", key, _described(live))
        elif live is None:
            self._report("missing", key, _described(want))
        else:
            self._report("differing", key, self._differing(want, live))

    def entities_of(self, keys: Sequence[bytes]) -> pl.DataFrame:
        """The join keys that stand in some keys."""
        decode, schema = (
            entity_decoder(self.expected.group.entity),
            self.expected.snapshot.spec.schema,
        )
        values = [decode(key[ENTITY_AT:]) for key in keys]
        wanted = {name: schema[name] for name in self.expected.group.entity.key_names}
        return pl.DataFrame(values, schema=wanted, orient="row")

    def is_live(self, row: bytes) -> bool:
        """Whether a reader would be given a stored row."""
        if self.expected.group.online is Online.UPSERT:
            return True
        order, floor = order_of(row), self.expected.state.floor
        return order is None or (floor is not None and order >= floor)

    def count(self, problem: str, number: int = 1) -> None:
        """Count entities."""
        self.counts[problem] = self.counts.get(problem, 0) + number

    def _encoded(self, parts: Iterable[Rows]) -> Iterator[tuple[ByteColumn, ByteColumn, Rows]]:
        group = self.expected.group
        for commit, part in parts:
            keys = encode_keys(group, self.group_id, part)
            yield keys, encode_values(group, part, commit), (commit, part)

    def _compare_by_earlier_schemas(
        self, unequal: Mapping[int, bytes | None], keys: Sequence[bytes], rows: Rows
    ) -> None:
        """A row that was written before a feature was added is right under the schema it names.

        Such a row has no value of the feature, so it is right only where the commit has none.
        """
        group, (commit, part) = self.expected.group, rows
        left = np.array(list(unequal))
        for schema_id in reversed(range(group.schema_id)):
            earlier = encode_values(group, part[left], commit, schema_id)
            is_whole = _is_null(part[left], _added_since(group, schema_id))
            is_equal = [
                whole and unequal[place] == row
                for place, row, whole in zip(left.tolist(), earlier, is_whole, strict=True)
            ]
            self.count(_EQUAL, sum(is_equal))
            left = left[np.logical_not(is_equal)]
            if not len(left):
                return
        wanted = encode_values(group, part[left], commit)
        for place, want in zip(left.tolist(), wanted, strict=True):
            self.judge(keys[place], want, unequal[place])

    def _is_in_flight(self, row: bytes | None) -> bool:
        order = None if row is None else order_of(row)
        if order is None:
            return False
        return self.expected.partition_of(order) in self.expected.state.in_flight

    def _report(self, problem: str, key: bytes, detail: str) -> None:
        self.count(problem)
        if len(self.differences) < _LISTED:
            entity = self.expected.group.entity
            values = entity_decoder(entity)(key[ENTITY_AT:])
            named = dict(zip(entity.key_names, values, strict=True))
            self.differences.append(Difference(named, problem, detail))

    def _differing(self, want: bytes, got: bytes) -> str:
        group = self.expected.group
        by_schema = codecs(group.all_schemas)
        try:
            wanted, found = (
                by_schema[FeatureRow.FromString(raw).schema_id].decode(raw) for raw in (want, got)
            )
        except (DecodeError, KeyError, ValueError, IndexError):
            return "what is stored is no row of this group"
        names = ("event_timestamp", "generation", "table_version")
        differing = [name for name in names if getattr(wanted, name) != getattr(found, name)]
        features = zip(group.features, wanted.values, found.values, strict=False)
        differing += [feature.name for feature, a, b in features if repr(a) != repr(b)]
        return f"{_described(got)} instead of {_described(want)}: {', '.join(differing)}"


def _added_since(group: FeatureGroupSpec, schema_id: int) -> list[str]:
    earlier = {feature.name for feature in group.all_schemas[schema_id]}
    return [feature.name for feature in group.features if feature.name not in earlier]


def _is_null(rows: pl.DataFrame, columns: Sequence[str]) -> list[bool]:
    """Of each row whether all of these columns are null."""
    if not columns:
        return [True] * rows.height
    return rows.select(pl.all_horizontal(pl.col(columns).is_null())).to_series().to_list()


def order_of(row: bytes) -> Order | None:
    """The order of a stored row; `None` when it is no row."""
    try:
        return decode_order(row)
    except ValueError:
        return None


def _described(row: bytes | None) -> str:
    order = None if row is None else order_of(row)
    if order is None:
        return "something that is no row"
    at = from_microseconds(order.event_timestamp)
    return f"the row of {at:%Y-%m-%dT%H:%M:%SZ}, generation {order.generation}"
