"""Performing schedules on real stores, and what has to hold of every answer on the way."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import redis

from headrace.assets.point_in_time import OfflineStore
from headrace.contract.errors import StoreUnavailableError, UnknownNameError
from headrace.contract.feature_group import Online
from headrace.contract.keys import KeyValue
from headrace.contract.rows import from_microseconds
from headrace.contract.status import Status
from headrace.resources.offline.offline_table import Computation
from headrace.resources.online.online_store import OnlineStore
from headrace.resources.online.publisher import publish_partition
from headrace.resources.online.reconciliation import unpublished_partitions
from headrace.resources.online.registry import Registry
from headrace.serving.online_features import OnlineFeatures
from headrace.tests.laws.asking import Asking
from headrace.tests.laws.committing import empty_store
from headrace.tests.laws.oracle import comparable
from headrace.tests.laws.schedules import Commit, Publish, Step
from headrace.tests.laws.worlds import Change, Fact, World

_NAMESPACE = "default"


class WatchedStore(OnlineStore):
    """An online store that calls back each time before it is spoken to."""

    def __init__(self, url: str, before: Callable[[], None]) -> None:
        """Call `before`, which may raise."""
        super().__init__(url, _NAMESPACE)
        self._before = before

    @contextmanager
    def errors(self, group: str = "the catalogue", partition: str = "all") -> Iterator[redis.Redis]:
        """Speak to the store, after the callback."""
        self._before()
        with super().errors(group, partition) as client:
            yield client


@dataclass(slots=True)
class Stage:
    """Both stores of one world, and what was done to them.

    Attributes:
        history: The changes that were committed, in order.
        committed: By partition number and generation: the table version, and the rows.
        deferred: Partition numbers and generations that nobody publishes without being asked.
        begun: Partition numbers that somebody has begun to publish.
        finished: By partition number: the greatest generation whose publish came to its end.
        floor: Snapshot groups: the greatest order whose publish came to its end.
        is_complete: Whether the group has to answer: a snapshot group from its first publish on, an
            upsert group once every partition that is due was published.
    """

    world: World
    url: str
    store: OfflineStore
    asking: Asking
    history: list[Change] = field(default_factory=list)
    committed: dict[tuple[int, int], tuple[int, Sequence[Fact]]] = field(default_factory=dict)
    deferred: set[tuple[int, int]] = field(default_factory=set)
    begun: set[int] = field(default_factory=set)
    finished: dict[int, int] = field(default_factory=dict)
    floor: tuple[datetime, int] | None = None
    is_live: bool = False
    is_complete: bool = False

    @property
    def generations(self) -> dict[int, int]:
        """The newest generation of every committed partition."""
        return dict(sorted(self.committed))

    def is_published(self) -> bool:
        """Whether nothing is left to publish, also of what waits to be asked for."""
        waiting = [
            number
            for number, generation in self.generations.items()
            if (number, generation) in self.deferred and self.finished.get(number, 0) < generation
        ]
        with OnlineStore(self.url, _NAMESPACE) as online:
            table = self.store.table(self.world.table)
            recorded = Registry(online, self.store).recorded()
            left = unpublished_partitions(self.world.group, table, online, recorded)
        return not left and not waiting

    @property
    def entities(self) -> list[tuple[KeyValue, ...]]:
        """Everybody of whom rows may be, and one of whom none ever is."""
        nobody = tuple(value for value in self.world.strangers[0] if value is not None)
        return [*self.world.entities, nobody]

    def perform(self, step: Step) -> None:
        """Do a step, and whatever happens in the middle of it."""
        if isinstance(step, Commit):
            self._commit(step)
        else:
            self.publish(step.number, step)

    def publish(self, number: int, step: Publish | None = None) -> None:
        """Publish a partition; answers are checked each time before the store is spoken to."""
        step = step or Publish(number)
        self.begun.add(number)
        due_at_first = self._due()
        moments = iter(range(1_000_000))

        def before() -> None:
            self.check_answers()
            if next(moments) != step.interrupted_at:
                return
            if step.meanwhile is None:
                raise StoreUnavailableError(store=self.url, reason="this publisher dies")
            for other in step.meanwhile:
                self.perform(other)

        with WatchedStore(self.url, before) as online:
            try:
                publication = publish_partition(
                    self.world.group,
                    self.store.table(self.world.table),
                    self.world.key_of(number),
                    online=online,
                    registry=Registry(online, self.store),
                    repeat=step.repeat,
                )
            except StoreUnavailableError:
                assert step.meanwhile is None
                return
        done = publication.generation
        self.finished[number] = max(done, self.finished.get(number, 0))
        # A publisher looks once at what is due: before a commit in the middle of it, or behind it.
        due = due_at_first | self._due()
        if self.world.group.online is Online.SNAPSHOT:
            self.is_complete |= not publication.superseded
        else:
            self.is_complete |= due <= self.finished.keys()
        if not publication.superseded:
            self.is_live = True
            order = (self.world.end_of(number), done)
            self.floor = max(self.floor or order, order)

    def _due(self) -> set[int]:
        return {number for number in self.generations if not self._waits(number)}

    def _waits(self, number: int) -> bool:
        """Whether nobody publishes a partition without being asked, and nobody was."""
        return (number, self.generations[number]) in self.deferred and number not in self.begun

    def look_up(self, now: datetime, *, keep_stale: bool = False) -> OnlineFeatures:
        """What the server answers about everybody at this time of its clock."""
        return self.asking.look_up(
            self.world.group.name,
            self.world.group.entity.key_names,
            self.entities,
            now=now,
            stale="keep" if keep_stale else "null",
        )

    def check_answers(self) -> None:
        """Every answered row is a committed one of the generation that it names, and not obsolete.

        Raises:
            AssertionError: It is not.
        """
        now = self.world.end_of(9)
        try:
            got = self.look_up(now, keep_stale=True)
        except UnknownNameError:
            assert not self.is_live
            return
        rows = zip(
            self.entities, got.to_dicts(), got.statuses, got.event_timestamps[:, 0], strict=True
        )
        for place, (entity, values, statuses, stamp) in enumerate(rows):
            assert not self.is_complete or Status.ERROR not in statuses
            if Status.NOT_FOUND in statuses or Status.ERROR in statuses:
                continue
            at = from_microseconds(int(stamp.astype("int64")))
            generation = int(got.generations[place, 0])
            self._check_row(
                Fact(entity, at, tuple(values[name] for name in got.feature_names)),
                generation,
                int(got.table_versions[place, 0]),
            )

    def _check_row(self, answered: Fact, generation: int, table_version: int) -> None:
        at = answered.event_timestamp
        past_start = at - self.world.start
        number = past_start // self.world.length
        if self.world.group.online is Online.SNAPSHOT:
            number -= 1
            assert self.floor is None or (at, generation) >= self.floor
        else:
            assert generation >= self.finished.get(number, 0)
        assert number in self.begun
        version, facts = self.committed[number, generation]
        assert version == table_version
        (fact,) = [
            fact for fact in facts if (fact.entity, fact.event_timestamp) == (answered.entity, at)
        ]
        stored = [comparable(value) for value in fact.values]
        # Features that the group got after this commit are null; those that the server does not
        # know yet are left out.
        values = [comparable(value) for value in answered.values]
        width = max(len(stored), len(values))
        padded = stored + [None] * (width - len(stored))
        assert values == padded[: len(values)]

    def _commit(self, step: Commit) -> None:
        """Commit a change; or repeat the last one, perhaps by a group that changed in place."""
        self.world = step.world
        repeated = step.repeated and bool(self.history)
        change = self.history[-1] if repeated else step.change
        number_of_change = len(self.history) - repeated
        commits = self.store.table(step.world.table).commit_all(
            [
                Computation(
                    step.world.key_of(number),
                    step.world.frame(facts),
                    f"change {number_of_change}",
                    {},
                )
                for number, facts in change.items()
            ],
            run_id="run",
            code_version="code",
            publish="deferred" if step.deferred else "auto",
        )
        assert [commit.no_op for commit in commits] == [repeated] * len(change)
        if repeated:
            return
        self.history.append(change)
        for commit, (number, facts) in zip(commits, change.items(), strict=True):
            self.committed[number, commit.generation] = (commit.version, facts)
            if step.deferred:
                self.deferred.add((number, commit.generation))

    def clocks(self) -> list[datetime]:
        """Times from the newest partition's end on, at and around which an answer changes."""
        newest = self.world.end_of(max(self.generations))
        facts = [fact for change in self.history for rows in change.values() for fact in rows]
        stamps = {newest, *(fact.event_timestamp for fact in facts)}
        ttl = self.world.group.ttl or self.world.length
        microsecond = timedelta(microseconds=1)
        edges = {
            stamp + age + edge
            for stamp in stamps
            for age in (timedelta(0), ttl)
            for edge in (-microsecond, timedelta(0), microsecond)
        }
        return sorted(edge for edge in edges if edge >= newest)


@contextmanager
def empty_stage(world: World, url: str) -> Iterator[Stage]:
    """Stores that hold nothing."""
    with redis.Redis.from_url(url) as client, empty_store() as store:
        client.flushall()
        yield Stage(world, url, store, Asking(client, _NAMESPACE))
