"""The proof that what is served is what was committed: every byte of every row, compared.

What is expected online is projected from the offline table and the markers, and encoded anew;
nothing that a publisher wrote is believed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import polars as pl

from ...contract.feature_group import FeatureGroupSpec
from ..offline.commit_log import Commit
from ..offline.offline_table import OfflineTable
from ..offline.table_spec import feature_table
from .comparison import Comparison, Difference
from .consistency import Consistency, estimated, measured
from .expected_rows import ExpectedRows
from .extra_rows import look_for_extra, look_for_extra_at_random
from .online_group import OnlineGroup
from .online_store import OnlineStore
from .opening import group_in
from .publication_state import is_superseded
from .reconciliation import unpublished_partitions
from .registry import Registry

__all__ = ["Difference", "Verification", "verify_entities", "verify_group", "verify_partition"]

_ATTEMPTS = 10
_ENTITIES_PER_SEARCH = 50


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found.

    Attributes:
        group: `group@version`.
        equal: Entities whose row is live and equal to the expected one, byte by byte.
        absent: Entities that were asked for, and rightly have no live row.
        differing: Entities whose live row is another one.
        missing: Entities that should have a live row and have none.
        extra: Entities that have a live row and should have none.
        superseded: Entities that differ because a publish of their partition has begun and not
            finished: that is no error yet.
        unpublished: Partitions whose newest commit is due online, but not there.
        differences: The first of those that differ, are missing or are extra.
        searched: How many stored rows were drawn to look for extra ones; `None` when all were.
        sampled: Whether entities were drawn, rather than all looked at that were asked for.
    """

    group: str
    equal: int = 0
    differing: int = 0
    missing: int = 0
    extra: int = 0
    superseded: int = 0
    absent: int = 0
    unpublished: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()
    searched: int | None = None
    sampled: bool = False

    @property
    def is_clean(self) -> bool:
        """Whether online equals offline, as far as was looked."""
        return not (self.differing or self.missing or self.extra or self.unpublished)

    @property
    def consistency(self) -> Consistency | None:
        """The share of entities that are equal; `None` when there was nothing to compare.

        Those that are being published are left out. So are extra rows that were found by drawing
        from the store: how many there are among all is not known.
        """
        looked_at = self.equal + self.differing + self.missing
        if self.sampled:
            return estimated(self.equal, looked_at)
        return measured(self.equal, looked_at + (self.extra if self.searched is None else 0))


def verify_group(
    group: FeatureGroupSpec,
    table: OfflineTable,
    online: OnlineStore,
    registry: Registry,
    *,
    sample: int | None = None,
) -> Verification:
    """Compare what is stored online with what is committed offline.

    Publishes may go on meanwhile: entities that are not equal are compared again, until none began
    or finished while they were.

    Args:
        group: As declared.
        table: Its offline table.
        online: What is verified.
        registry: Of that store.
        sample: About how many of the expected entities to look at, drawn at random (all when the
            commits that are served have no more rows), and how many stored rows to draw to see
            whether they should be there. All of both when `None`.

    Raises:
        StoreUnavailableError: A store cannot be read.
    """
    proof = _Proof(group, table, online, registry)

    def look(comparison: Comparison) -> _Look:
        expected = comparison.expected
        if sample is None:
            look_for_extra(comparison, list(comparison.compare(expected.all())))
            return _Look()
        is_sampled = _look_at(comparison, expected.commits(), sample)
        return _Look(look_for_extra_at_random(comparison, sample), is_sampled)

    found = proof.run(look)
    return replace(found or Verification(group.reference), unpublished=proof.unpublished())


def verify_partition(
    group: FeatureGroupSpec,
    table: OfflineTable,
    partition: str,
    *,
    online: OnlineStore,
    registry: Registry,
    sample: int,
) -> Verification | None:
    """Compare what is stored of the entities of one partition with what should be.

    Of an upsert group that may be a row of a later partition.

    Args:
        group: As declared.
        table: Its offline table.
        partition: Whose entities are looked at.
        online: What is verified.
        registry: Of that store.
        sample: About how many of them to look at, drawn at random; all when there are no more. A
            fiftieth as many stored rows are drawn, and those of one partition of the group looked
            at, to see whether they should be there.

    Returns:
        `None` when no row of the partition is served: a later one of a snapshot group is, or it is
        not published.

    Raises:
        StoreUnavailableError: A store cannot be read.
    """

    def look(comparison: Comparison) -> _Look | None:
        commit = comparison.expected.commit(partition)
        if commit is None:
            return None
        is_sampled = _look_at(comparison, [commit], sample)
        budget = -(-sample // _ENTITIES_PER_SEARCH)
        return _Look(look_for_extra_at_random(comparison, budget, partitions=1), is_sampled)

    return _Proof(group, table, online, registry).run(look)


def verify_entities(
    group: FeatureGroupSpec,
    table: OfflineTable,
    entities: pl.DataFrame,
    *,
    online: OnlineStore,
    registry: Registry,
) -> Verification:
    """Compare what is stored of these entities with what is committed of them.

    An entity that rightly has no row counts as absent, which is no difference.

    Args:
        group: As declared.
        table: Its offline table.
        entities: Join keys as the table has them, each entity once.
        online: What is verified.
        registry: Of that store.

    Raises:
        StoreUnavailableError: A store cannot be read.
    """

    def look(comparison: Comparison) -> _Look:
        comparison.compare_entities(entities)
        return _Look()

    proof = _Proof(group, table, online, registry)
    found = proof.run(look)
    return replace(found or Verification(group.reference), unpublished=proof.unpublished())


@dataclass(frozen=True, slots=True)
class _Look:
    """How far was looked: as in a verification."""

    searched: int | None = None
    sampled: bool = False


@dataclass(frozen=True, slots=True)
class _Proof:
    """One proof of one group, repeated where publishes got in its way."""

    group: FeatureGroupSpec
    table: OfflineTable
    online: OnlineStore
    registry: Registry

    def run(self, look: Callable[[Comparison], _Look | None]) -> Verification | None:
        """Compare; `None` when nothing of the group was ever published, or nothing to look at.

        What is not equal is looked at again, until no publish began or finished meanwhile, and in
        the table itself: a copy of it has no say against a row.
        """
        published = self.registry.published(self.group.name, self.group.version)
        if published is None:
            return None
        group = self.registry.document(published.document)
        rows = group_in(self.online, published.group_id, group.reference)
        latest = comparison = self._begun(group, published.group_id, rows, by_history=True)
        seen = look(comparison)
        for _ in range(_ATTEMPTS):
            is_believed = not latest.expected.by_history
            if seen is None or not comparison.disputed:
                break
            if is_believed and rows.state().is_as_far_as(latest.expected.state):
                break
            latest = self._begun(group, published.group_id, rows, by_history=False)
            if comparison.disputed > len(comparison.suspects):
                comparison, seen = latest, look(latest)
            else:
                latest.compare_entities(latest.entities_of(comparison.suspects))
                comparison.corrected_by(latest)
        return None if seen is None else _found(comparison, seen)

    def _begun(
        self, group: FeatureGroupSpec, group_id: int, rows: OnlineGroup, *, by_history: bool
    ) -> Comparison:
        # With the columns that are served, whatever is declared by now.
        spec = feature_table(group, buckets=self.table.spec.buckets)
        state, snapshot = rows.state(), replace(self.table.snapshot(), spec=spec)
        return Comparison(ExpectedRows(group, snapshot, state, by_history), group_id, rows)

    def unpublished(self) -> tuple[str, ...]:
        """The partitions that are due and missed."""
        recorded = self.registry.recorded()
        left = unpublished_partitions(self.group, self.table, self.online, recorded)
        published = self.registry.published(self.group.name, self.group.version)
        if published is None or not left:
            return tuple(left)
        state = group_in(self.online, published.group_id, self.group.reference).state()
        commits = self.table.snapshot().commits
        # A superseded partition changes nothing of what is served, so it is not missed.
        return tuple(
            partition
            for partition in left
            if not is_superseded(self.group, commits, commits[partition], state)
        )


def _look_at(comparison: Comparison, commits: Sequence[Commit], sample: int) -> bool:
    """Compare the rows of so many entities of these commits; whether they had to be drawn."""
    expected = comparison.expected
    is_few = sample >= sum(commit.rows for commit in commits)
    parts = expected.of_all(commits) if is_few else expected.of_drawn(sample, commits)
    for _ in comparison.compare(parts):
        pass
    return not is_few


def _found(comparison: Comparison, look: _Look) -> Verification:
    return Verification(
        comparison.expected.group.reference,
        **comparison.counts,  # type: ignore[arg-type]  # its keys are names of counts
        differences=tuple(comparison.differences),
        searched=look.searched,
        sampled=look.sampled,
    )
