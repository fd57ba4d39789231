"""Feature groups to make histories of: any entity, types, TTL, buckets and partitioning."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import TypeAlias

import polars as pl
from hypothesis import strategies as st

from headrace.contract.feature_group import (
    DType,
    EntitySpec,
    FeatureGroupSpec,
    FeatureSpec,
    JoinKey,
    Online,
)
from headrace.contract.keys import KeyValue
from headrace.contract.rows import Value
from headrace.resources.offline.table_spec import TableSpec, feature_table

MICROSECOND = timedelta(microseconds=1)
LENGTHS = {"DAILY": timedelta(days=1), "HOURLY": timedelta(hours=1)}
_KEY_FORMATS = {"DAILY": "%Y-%m-%d", "HOURLY": "%Y-%m-%d-%H:%M"}
_MAX_FEATURES = 5


@dataclass(frozen=True, slots=True)
class Fact:
    """One row of a feature group."""

    entity: tuple[KeyValue, ...]
    event_timestamp: datetime
    values: tuple[Value, ...]


Change: TypeAlias = Mapping[int, Sequence[Fact]]
"""Partitions that one commit replaced, by number, with all rows that each of them has since."""

Asked: TypeAlias = tuple[tuple[KeyValue | None, ...], datetime | None]
"""One row of a spine: an entity and a time."""


@dataclass(frozen=True, slots=True)
class World:
    """A group, where its history begins, and of whom it may speak.

    Attributes:
        strangers: Entities that no row is ever of; some have null join keys.
    """

    group: FeatureGroupSpec
    buckets: int
    start: datetime
    entities: tuple[tuple[KeyValue, ...], ...]
    strangers: tuple[tuple[KeyValue | None, ...], ...]

    @property
    def length(self) -> timedelta:
        return LENGTHS[self.group.partitions]

    @property
    def table(self) -> TableSpec:
        return feature_table(self.group, buckets=self.buckets)

    def start_of(self, number: int) -> datetime:
        return self.start + number * self.length

    def end_of(self, number: int) -> datetime:
        return self.start + (number + 1) * self.length

    def key_of(self, number: int) -> str:
        return self.start_of(number).strftime(_KEY_FORMATS[self.group.partitions])

    def frame(self, facts: Sequence[Fact]) -> pl.DataFrame:
        """The rows; features that the group has got since they were drawn are null."""
        width = len(self.group.features)
        rows = [
            (*fact.entity, fact.event_timestamp, *fact.values, *[None] * (width - len(fact.values)))
            for fact in facts
        ]
        return pl.DataFrame(rows, schema=self.table.schema, orient="row")

    def spine(self, asked: Sequence[Asked]) -> pl.DataFrame:
        """The rows asked, between columns that are none of the group's business."""
        schema = self.table.schema
        keys = {
            name: pl.Series([entity[place] for entity, _ in asked], dtype=schema[name])
            for place, name in enumerate(self.group.entity.key_names)
        }
        times = pl.Series([at for _, at in asked], dtype=schema["event_timestamp"])
        label = pl.Series([place % 3 == 0 for place in range(len(asked))], dtype=pl.Boolean)
        row = pl.Series(range(len(asked)), dtype=pl.Int64)
        return pl.DataFrame({"label": label, "event_timestamp": times, **keys, "row": row})


_ENTITIES: Mapping[tuple[JoinKey, ...], tuple[tuple[KeyValue, ...], ...]] = {
    (JoinKey("household_id", DType.INT64),): ((1,), (-(2**63),), (2**63 - 1,), (2,)),
    (JoinKey("store_id", DType.INT32),): ((0,), (-1,), (2**31 - 1,), (7,)),
    (JoinKey("product", DType.STRING),): (("",), ("a",), ("ä}",), ("a\0",)),
    (JoinKey("household_id", DType.INT64), JoinKey("product", DType.STRING)): (
        (1, "a"),
        (1, "b"),
        (2, "a"),
        (2, ""),
    ),
    (JoinKey("product", DType.STRING), JoinKey("day", DType.DATE), JoinKey("tag", DType.BYTES)): (
        ("a", date(2018, 1, 1), b""),
        ("a", date(1969, 12, 31), b""),
        ("a", date(2018, 1, 1), b"}"),
        ("", date(2018, 1, 1), b"\x00"),
    ),
}
_UNKNOWN: Mapping[DType, KeyValue] = {
    DType.INT64: 99,
    DType.INT32: 99,
    DType.STRING: "nobody",
    DType.DATE: date(2099, 1, 1),
    DType.BYTES: b"nothing",
}
VALUES: Mapping[DType, Sequence[Value]] = {
    DType.BOOL: [True, False],
    DType.INT32: [0, -1, 2**31 - 1, -(2**31)],
    DType.INT64: [0, 2**53 + 1, -(2**63)],
    DType.FLOAT32: [0.0, -0.0, 1.5, float("nan"), float("-inf")],
    DType.FLOAT64: [0.1, -0.0, float("nan"), float("inf"), 5e-324],
    DType.STRING: ["", "a", "ä\0", "x" * 200],
    DType.BYTES: [b"", b"\x00", b"\xff}"],
    DType.DATE: [date(1970, 1, 1), date(1969, 12, 31), date(2018, 2, 28)],
    DType.TIMESTAMP: [
        datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        datetime(2018, 1, 1, tzinfo=UTC),
    ],
    DType.FLOAT32_LIST: [[], [0.5], [float("nan"), -0.0, 1.0]],
    DType.FLOAT64_LIST: [[], [0.1, float("inf")]],
    DType.INT64_LIST: [[], [2**63 - 1, 0]],
}
_SERIAL = FeatureSpec("serial", DType.INT64)
_EVERY_DTYPE = tuple(FeatureSpec(dtype.name.lower(), dtype, nullable=True) for dtype in DType)
_STARTS = {
    "DAILY": [datetime(2017, 12, 30, tzinfo=UTC), datetime(1969, 12, 30, tzinfo=UTC)],
    "HOURLY": [datetime(2017, 12, 31, 22, tzinfo=UTC), datetime(1969, 12, 31, 22, tzinfo=UTC)],
}


@st.composite
def worlds(
    draw: st.DrawFn, online: Online | None, *, name: str = "visits", before_1970: bool = True
) -> World:
    """A group of any entity, types, TTL, buckets and partitioning, with one of the semantics."""
    keys = draw(st.sampled_from(list(_ENTITIES)))
    partitions = draw(st.sampled_from(sorted(LENGTHS)))
    recent = _STARTS[partitions][:1]
    dtypes = draw(st.lists(st.sampled_from(list(DType)), max_size=3))
    features = [
        FeatureSpec(f"{dtype.name.lower()}_{place}", dtype, nullable=True)
        for place, dtype in enumerate(dtypes)
    ]
    group = FeatureGroupSpec(
        name=name,
        version=1,
        entity=EntitySpec("visitor", keys),
        features=(_SERIAL, *features),
        ttl=draw(_ttls(LENGTHS[partitions])),
        online=online,
        owners=("team:growth",),
        partitions=partitions,
    )
    unknown = tuple(_UNKNOWN[key.dtype] for key in keys)
    strangers = [unknown, (None, *unknown[1:]), (*_ENTITIES[keys][0][:-1], None)]
    return World(
        group=group,
        buckets=draw(st.sampled_from([1, 3, 16])),
        start=draw(st.sampled_from(_STARTS[partitions] if before_1970 else recent)),
        entities=_ENTITIES[keys],
        strangers=tuple(strangers),
    )


def world_of_every_dtype(online: Online, partitions: str) -> World:
    """A group with a serial number and one nullable feature of each type, and a composite key."""
    *_, keys, _ = _ENTITIES
    group = FeatureGroupSpec(
        name="visits",
        version=1,
        entity=EntitySpec("visitor", keys),
        features=(_SERIAL, *_EVERY_DTYPE),
        ttl=3 * LENGTHS[partitions],
        online=online,
        owners=("team:growth",),
        partitions=partitions,
    )
    return World(
        group=group,
        buckets=3,
        start=_STARTS[partitions][0],
        entities=_ENTITIES[keys],
        strangers=(tuple(_UNKNOWN[key.dtype] for key in keys),),
    )


@st.composite
def evolved(draw: st.DrawFn, world: World) -> World:
    """The world after a change in place: another nullable feature, another TTL, or none."""
    group, kind = world.group, draw(st.sampled_from(["same", "same", "feature", "ttl"]))
    if kind == "feature" and len(group.features) < _MAX_FEATURES:
        dtype = draw(st.sampled_from(list(DType)))
        feature = FeatureSpec(f"added_{len(group.features)}", dtype, nullable=True)
        group = replace(group, features=(*group.features, feature))
    if kind == "ttl":
        group = replace(group, ttl=draw(_ttls(world.length)))
    return replace(world, group=group)


def _ttls(length: timedelta) -> st.SearchStrategy[timedelta | None]:
    return st.sampled_from(
        [None, MICROSECOND, length / 2, length, length + MICROSECOND, 3 * length]
    )
