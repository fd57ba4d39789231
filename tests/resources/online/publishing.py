"""A small feature group in a real offline and a real online store, for tests of publishing."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import TypeAlias

import polars as pl

from headrace.contract.errors import FencedError
from headrace.contract.feature_group import (
    DType,
    EntitySpec,
    FeatureGroupSpec,
    FeatureSpec,
    JoinKey,
    Online,
)
from headrace.contract.keys import entity_encoder, group_prefix, online_key
from headrace.contract.rows import Row, codecs, from_microseconds
from headrace.resources.offline.commit_log import Commit
from headrace.resources.offline.offline_store import OfflineStore
from headrace.resources.offline.offline_table import OfflineTable
from headrace.resources.offline.table_spec import feature_table
from headrace.resources.online.bulk_write import Writes
from headrace.resources.online.group_state import GroupState
from headrace.resources.online.online_group import OnlineGroup
from headrace.resources.online.online_store import OnlineStore
from headrace.resources.online.opening import group_in
from headrace.resources.online.publisher import Publication, publish_partition
from headrace.resources.online.reconciliation import unpublished_partitions
from headrace.resources.online.registry import Registry
from headrace.resources.online.verification import Verification, verify_group

HOUSEHOLD = EntitySpec("household", (JoinKey("household_id", DType.INT64),))
SPEND = FeatureSpec("spend", DType.FLOAT64)


def group_of(
    online: Online | None,
    features: tuple[FeatureSpec, ...] = (SPEND,),
    *,
    name: str = "household_spend",
    version: int = 1,
) -> FeatureGroupSpec:
    return FeatureGroupSpec(
        name, version, HOUSEHOLD, features, timedelta(days=3), online, ("team:test",), "DAILY"
    )


def day(number: int, hour: float = 0) -> datetime:
    """An hour of the given day of 2017; day 1 is the first of January."""
    return datetime(2017, 1, 1, tzinfo=UTC) + timedelta(days=number - 1, hours=hour)


def key_of(number: int) -> str:
    return day(number).strftime("%Y-%m-%d")


Rows: TypeAlias = dict[int, tuple[int, float]]
"""What is committed of a day: household to (hour of an upsert group, value)."""


@dataclass(slots=True)
class Stage:
    """One group, its table, and the stores, with the shortest ways to commit, publish and look."""

    group: FeatureGroupSpec
    online: OnlineStore
    offline: OfflineStore
    table: OfflineTable = field(init=False)
    registry: Registry = field(init=False)
    _commits: int = 0

    def __post_init__(self) -> None:
        self.registry = Registry(self.online, self.offline)
        self.table = self.offline.table(feature_table(self.group))

    def frame(self, number: int, rows: Sequence[tuple[object, ...]]) -> pl.DataFrame:
        """Rows of a day: household, hour (upsert groups alone), values."""
        if self.group.online is Online.SNAPSHOT:
            rows = [(household, day(number + 1), *values) for household, *values in rows]
        else:
            rows = [(household, day(number, hour), *values) for household, hour, *values in rows]  # type: ignore[arg-type]
        return pl.DataFrame(rows, schema=self.table.spec.schema, orient="row")

    def commit(
        self, number: int, rows: Sequence[tuple[object, ...]], publish: str = "auto"
    ) -> Commit:
        self._commits += 1
        return self.table.commit(
            key_of(number),
            self.frame(number, rows),
            identity=f"{id(self)}-{self._commits}",
            run_id="run",
            code_version="1",
            verdicts={},
            publish=publish,
        )

    def publish(self, number: int, *, repeat: bool = False) -> Publication:
        return publish_partition(
            self.group,
            self.table,
            key_of(number),
            online=self.online,
            registry=self.registry,
            repeat=repeat,
        )

    def verify(self, sample: int | None = None) -> Verification:
        return verify_group(self.group, self.table, self.online, self.registry, sample=sample)

    def unpublished(self) -> list[str]:
        recorded = self.registry.recorded()
        return unpublished_partitions(self.group, self.table, self.online, recorded)

    def rows(self) -> OnlineGroup:
        published = self.registry.published(self.group.name, self.group.version)
        assert published is not None
        return group_in(self.online, published.group_id, self.group.reference)

    def state(self) -> GroupState:
        return self.rows().state()

    def key(self, household: int) -> bytes:
        published = self.registry.published(self.group.name, self.group.version)
        assert published is not None
        entity = entity_encoder(self.group.entity)((household,))
        return online_key(group_prefix(published.group_id), entity)

    def served(self) -> dict[int, tuple[datetime, int, object]]:
        """What a reader finds: household to (event timestamp, generation, first value)."""
        floor, found = self.state().floor, {}
        published = self.registry.published(self.group.name, self.group.version)
        assert published is not None
        by_schema = codecs(self.registry.document(published.document).all_schemas)
        keys = list(self.rows().stored_keys())
        for key, raw in zip(keys, self.rows().rows(keys), strict=True):
            assert raw is not None
            row: Row = by_schema[0].decode(raw)
            if floor is None or (row.event_timestamp, row.generation) >= floor:
                found[int.from_bytes(key[6:], "big", signed=True)] = (
                    from_microseconds(row.event_timestamp),
                    row.generation,
                    row.values[0],
                )
        return dict(sorted(found.items()))


def stage_of(group: FeatureGroupSpec, url: str, folder: Path) -> Stage:
    return Stage(group, OnlineStore(url, "test"), OfflineStore(str(folder / "offline")))


def as_rows(stage: Stage, rows: Rows) -> list[tuple[object, ...]]:
    if stage.group.online is Online.SNAPSHOT:
        return [(household, value) for household, (_, value) in rows.items()]
    return [(household, hour, value) for household, (hour, value) in rows.items()]


def expected(
    stage: Stage, committed: dict[int, tuple[int, Rows]]
) -> dict[int, tuple[datetime, int, object]]:
    """What is to be served, given the generation and the rows of each committed day."""
    found: dict[int, tuple[datetime, int, object]] = {}
    numbers = sorted(committed)
    if stage.group.online is Online.SNAPSHOT:
        numbers = numbers[-1:]
    for number in numbers:
        generation, rows = committed[number]
        for household, (hour, value) in rows.items():
            at = day(number + 1) if stage.group.online is Online.SNAPSHOT else day(number, hour)
            found[household] = (at, generation, value)
    return dict(sorted(found.items()))


def publish_at_random(url: str, folder: str, online: Online, newest: int) -> Writes:
    """Publish days, the newest more often than the others: what one process does, if need be."""
    stage, done = stage_of(group_of(online), url, Path(folder)), Writes()
    random = Random(newest)  # noqa: S311 - a schedule, no secret
    for number in (newest, *random.choices((*range(1, newest), newest, newest), k=4)):
        try:
            publication = stage.publish(number, repeat=True)
        except FencedError:
            continue
        done += Writes(
            publication.rows_written,
            publication.batches_fast,
            publication.batches_aborted,
            publication.batches_guarded,
        )
    return done
