"""What is committed in a soak, and what may be answered while it is published.

Everything follows from the number of a step, so that who asks knows the rows without being told.
Step k of a feed is the first computation of a day if k is even, and its correction if k is odd.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from multiprocessing.sharedctypes import RawArray
from zlib import crc32

from headrace.contract.feature_group import (
    DType,
    EntitySpec,
    FeatureGroupSpec,
    FeatureSpec,
    JoinKey,
    Online,
)
from headrace.contract.order import decode_order
from headrace.contract.rows import Row, RowCodec, to_microseconds
from headrace.contract.status import is_stale, microseconds
from headrace.tests.resources.online.publishing import HOUSEHOLD, SPEND, day, group_of

ENTITIES = 400
"""Entities that may have rows; those of greater numbers never do."""
NOW = day(12)
"""The server's clock: rows of the first days are too old when it begins, and none is later on."""
STEPS = 4000

_STALE = b"\x68\x01"  # field 13, ROW_STATUS_STALE
_NOW_US = to_microseconds(NOW)
_STORES = 5
_VISIT = EntitySpec(
    "household_store", (JoinKey("household_id", DType.INT64), JoinKey("store_id", DType.STRING))
)


@dataclass(frozen=True)
class Feed:
    """A feature group, and all rows that are ever committed of it.

    Attributes:
        place: Where it stands on the board.
    """

    place: int
    spec: FeatureGroupSpec

    def keys(self, entity: int) -> tuple[int, str] | tuple[int]:
        """The join key values of the entity of this number."""
        if len(self.spec.entity.join_keys) == 1:
            return (entity,)
        return (entity // _STORES, f"store {entity % _STORES}")

    def rows(self, step: int) -> dict[int, tuple[datetime, tuple[float | int, ...]]]:
        """What step k commits: event timestamp and values by entity; a fifth of them lacks."""
        return {
            entity: (self._instant(step, entity), self._values(step, entity))
            for entity in range(ENTITIES)
            if self._chance(step, entity) % 5
        }

    def encoded(self, step: int, table_version: int) -> dict[int, bytes]:
        """The rows of a step as a store holds them."""
        codec = RowCodec(self.spec.features, self.spec.schema_id)
        generation = 1 + step % 2
        return {
            entity: codec.encode(Row(to_microseconds(at), generation, table_version, values))
            for entity, (at, values) in self.rows(step).items()
        }

    def _instant(self, step: int, entity: int) -> datetime:
        number = 1 + step // 2
        if self.spec.online is Online.SNAPSHOT:
            return day(number + 1)
        # A correction moves some rows back in time.
        return day(number, self._chance(step, entity) % 24)

    def _values(self, step: int, entity: int) -> tuple[float | int, ...]:
        return tuple(
            float(entity + step * 10_000)
            if feature.dtype is DType.FLOAT64
            else entity * 10_000 + step
            for feature in self.spec.features
        )

    def _chance(self, step: int, entity: int) -> int:
        return crc32(f"{self.spec.reference}/{step}/{entity}".encode())


def _feeds() -> tuple[Feed, ...]:
    baskets = FeatureSpec("baskets", DType.INT64)
    spend = replace(group_of(Online.SNAPSHOT), ttl=None)
    specs = (
        spend,
        replace(spend, version=2, features=(SPEND, baskets)),
        group_of(Online.UPSERT, (baskets, SPEND), name="household_profile"),
        replace(group_of(Online.UPSERT, (SPEND,), name="store_visits"), entity=_VISIT, ttl=None),
    )
    return tuple(Feed(place, spec) for place, spec in enumerate(specs))


FEEDS = SPEND_1, SPEND_2, PROFILE, VISITS = _feeds()
SERVICE = "churn"
SERVICE_FEATURES = ("household_spend@1:spend", "household_profile:baskets")
assert SPEND_1.spec.entity == PROFILE.spec.entity == HOUSEHOLD


class Board:
    """Numbers that all processes of a soak share: how far each feed and the catalogue are.

    What is begun may be answered; what was finished before a call began must be.
    """

    def __init__(self) -> None:
        """Begin with nothing published, and version 1 live."""
        self.finished, self.begun = RawArray("q", len(FEEDS)), RawArray("q", len(FEEDS))
        self.flips_finished, self.flips_begun = RawArray("q", 1), RawArray("q", 1)
        self.table_versions = RawArray("q", len(FEEDS) * STEPS)
        for feed in FEEDS:
            self.finished[feed.place] = self.begun[feed.place] = -1

    def table_version(self, feed: Feed, step: int) -> int:
        """The Delta version with which a step was committed."""
        return int(self.table_versions[feed.place * STEPS + step])

    def record(self, feed: Feed, step: int, table_version: int) -> None:
        """Say that a committed step is about to be published."""
        self.table_versions[feed.place * STEPS + step] = table_version
        self.begun[feed.place] = step


@dataclass(frozen=True)
class Known:
    """What a caller knows at one instant."""

    steps: Sequence[int]
    flips: int


class Model:
    """Judges answers by the board."""

    def __init__(self, board: Board) -> None:
        """Begin; rows are computed when they are asked for."""
        self._board = board
        self._served = lru_cache(32)(self._served_after)
        self._committed = lru_cache(32)(self._committed_by)

    def finished(self) -> Known:
        """What must be answered from now on."""
        return Known(list(self._board.finished), self._board.flips_finished[0])

    def begun(self) -> Known:
        """What may be answered until now."""
        return Known(list(self._board.begun), self._board.flips_begun[0])

    def are_right(
        self,
        feed: Feed,
        asked: Sequence[int],
        rows: Sequence[bytes],
        *,
        max_age: timedelta | None,
        steps: range,
    ) -> bool:
        """Whether these rows of these entities are those of any of these steps, row by row.

        An entity without a row has an empty one. A row is compared with all of its bytes: its
        commit, its values, and the mark of one that is too old.
        """
        limit = min((age for age in (feed.spec.ttl, max_age) if age is not None), default=None)
        limit_us = None if limit is None else microseconds(limit)
        right = [
            [_marked(self._served(feed, step).get(entity, b""), limit_us) for entity in asked]
            for step in steps
        ]
        return any(rows == each for each in right) or (
            len(rows) == len(asked)
            and all(
                row in allowed for row, allowed in zip(rows, zip(*right, strict=True), strict=True)
            )
        )

    def _served_after(self, feed: Feed, step: int) -> Mapping[int, bytes]:
        """What is served of a feed once all steps up to this one are published."""
        if feed.spec.online is Online.SNAPSHOT:
            return self._committed(feed, step)
        # Of each day its newest computation, of each entity the newest row: days before come first.
        day_before = step // 2 * 2 - 1
        earlier = self._served(feed, day_before) if day_before > 0 else {}
        return {**earlier, **self._committed(feed, step)}

    def _committed_by(self, feed: Feed, step: int) -> Mapping[int, bytes]:
        return feed.encoded(step, self._board.table_version(feed, step))


def _marked(row: bytes, limit_us: int | None) -> bytes:
    if not row or limit_us is None:
        return row
    age_us = _NOW_US - decode_order(row).event_timestamp
    return row + _STALE if is_stale(age_us, limit_us, None) else row
