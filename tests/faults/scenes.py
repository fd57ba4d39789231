"""A group that is about to be published, and what may be seen of it on the way."""

import shutil
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from pathlib import Path

import redis

from headrace.contract.feature_group import Online
from headrace.contract.order import decode_order
from headrace.contract.rows import from_microseconds
from headrace.resources.online.projection import newest_per_entity, scan_commit
from headrace.resources.online.row_encoding import encode_keys, encode_values
from headrace.tests.resources.online.publishing import (
    Rows,
    Stage,
    as_rows,
    expected,
    group_of,
    stage_of,
)

HOUSEHOLDS = 2500  # three batches

STEPS: Sequence[tuple[int, Rows]] = (
    (1, dict.fromkeys(range(HOUSEHOLDS), (9, 1.0))),
    # A correction: some have moved back in time, and some are gone.
    (
        1,
        {
            household: (5 if household % 3 == 0 else 9, 2.0)
            for household in range(HOUSEHOLDS)
            if household % 5
        },
    ),
    (2, dict.fromkeys(range(0, HOUSEHOLDS, 2), (7, 3.0))),
    (1, dict.fromkeys(range(0, HOUSEHOLDS, 7), (4, 4.0))),
)
"""What is committed, one after the other: a day and its rows."""
FIRST, CORRECTION, NEXT, LATE_CORRECTION = range(len(STEPS))


@dataclass(slots=True)
class Scene:
    """Both stores just before a step is published: it is committed, and all before are published.

    Attributes:
        online: The semantics of the group.
        step: The place of the step.
        url: Of the online store.
        folder: Where the offline stores of all takes are.
    """

    online: Online
    step: int
    url: str
    folder: Path
    _stored: dict[bytes, bytes] = field(default_factory=dict)
    _takes: "count[int]" = field(default_factory=count)

    def prepare(self) -> None:
        """Do what comes before, and remember how both stores then are."""
        stage = stage_of(group_of(self.online), self.url, self.folder / "before")
        for place, (day, rows) in enumerate(STEPS[: self.step + 1]):
            stage.commit(day, as_rows(stage, rows))
            if place < self.step:
                stage.publish(day)
        with redis.Redis.from_url(self.url) as client:
            keys = list(client.scan_iter(count=10_000))
            with client.pipeline(transaction=False) as pipeline:
                for key in keys:
                    pipeline.dump(key)
                self._stored = dict(zip(keys, pipeline.execute(), strict=True))

    def take(self) -> "Take":
        """The stores as they were at the beginning, once more."""
        folder = self.folder / f"take-{next(self._takes)}"
        shutil.copytree(self.folder / "before", folder)
        with redis.Redis.from_url(self.url) as client:
            client.flushall()
            with client.pipeline(transaction=False) as pipeline:
                for key, dumped in self._stored.items():
                    pipeline.restore(key, 0, dumped)
                pipeline.execute()
        return Take(stage_of(group_of(self.online), self.url, folder), self.url, folder, self.step)


@dataclass(frozen=True, slots=True)
class Take:
    """Both stores, to which something is about to happen.

    Attributes:
        step: The place of the step that is committed and not published.
    """

    stage: Stage
    url: str
    folder: Path
    step: int

    @property
    def day(self) -> int:
        """The day that is published."""
        return STEPS[self.step][0]

    def check_answers(self) -> None:
        """Every row that a reader can be given was committed, byte by byte, and is not obsolete."""
        if self.stage.registry.published(self.stage.group.name, 1) is None:
            return
        # What says whether rows are obsolete is read before the rows, as readers do.
        allowed, state = self._committed(), self.stage.state()
        if state.floor is None:
            return  # every answer is ERROR
        keys = list(self.stage.rows().stored_keys())
        for key, row in zip(keys, self.stage.rows().rows(keys), strict=True):
            if row is None:
                continue  # it was taken back meanwhile
            order = decode_order(row)
            if self.stage.group.online is Online.UPSERT:
                partition = f"{from_microseconds(order.event_timestamp):%Y-%m-%d}"
                assert order.generation >= state.markers.get(partition, 0)
                assert row in allowed[key]
            elif order >= state.floor:
                assert row in allowed[key]

    def recover(self) -> None:
        """What the reconciler does: publish what is left, and nothing else."""
        stage = Stage(self.stage.group, self.stage.online, self.stage.offline)
        stage.registry.project()
        for partition in stage.unpublished():
            stage.publish(int(partition[-2:]))

    def check_proof(self) -> None:
        """Nothing that was committed is missing, and nothing else is there."""
        expected, found = self._expected(), self.stage.verify()
        assert found.is_clean
        assert (found.equal, found.superseded) == (len(expected), 0)
        assert self.stage.served() == expected
        assert self.stage.unpublished() == []

    def _expected(self) -> dict[int, tuple[datetime, int, object]]:
        committed = dict[int, tuple[int, Rows]]()
        for day, rows in STEPS[: self.step + 1]:
            committed[day] = (committed.get(day, (0, {}))[0] + 1, rows)
        return expected(self.stage, committed)

    def _committed(self) -> Mapping[bytes, set[bytes]]:
        """The rows of every commit, by key."""
        snapshot, found = self.stage.table.snapshot(), defaultdict[bytes, set[bytes]](set)
        published = self.stage.registry.published(self.stage.group.name, 1)
        assert published is not None
        for commit in snapshot.log.commits:
            rows = newest_per_entity(self.stage.group, scan_commit(snapshot, commit)).collect()
            keys = encode_keys(self.stage.group, published.group_id, rows)
            for key, row in zip(keys, encode_values(self.stage.group, rows, commit), strict=True):
                found[key].add(row)
        return found
