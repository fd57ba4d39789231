"""Partitions of critical groups that are computed and judged, and wait for somebody's approval."""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from ..resources.offline.commit_log import Commit
from ..resources.offline.offline_store import OfflineStore
from ..resources.offline.offline_table import Computation, OfflineTable
from ..resources.offline.table_spec import TableSpec
from ..resources.offline.tables_beside import held_table
from .declarations import Dimension, FeatureGroup, Source
from .input_use import InputUse

_WAITS, _INPUTS = "waits", "inputs"

Generations = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class HeldPartitions:
    """The partitions of one group that wait, in a table beside the group's.

    A partition waits while the rows that are held of it are not what the group's table holds: the
    commit itself ends that, at one instant. Removing held rows afterwards only saves space.
    """

    table: OfflineTable
    committed: OfflineTable

    @classmethod
    def beside(cls, table: TableSpec, store: OfflineStore) -> "HeldPartitions":
        """What is held beside a group's table, which is created when something is held first."""
        return cls(store.table(held_table(table)), store.table(table))

    def waiting(self) -> Mapping[str, Commit]:
        """What waits, by partition in order, as it was held."""
        held, committed = self.table.snapshot().commits, self.committed.snapshot().commits
        return {
            key: commit
            for key, commit in held.items()
            if commit.verdicts.get(_WAITS)
            and not (key in committed and committed[key].identity == commit.identity)
        }

    def rows(self, held: Commit) -> pl.DataFrame:
        """Exactly the rows that were held.

        Raises:
            TableVersionGoneError: Others were held since, and maintenance removed these.
        """
        return self.table.snapshot(version=held.version).scan([held.partition]).collect()

    def release(self, partitions: Iterable[str], *, run_id: str, code_version: str) -> None:
        """Let rows go that wait no longer: approved, or superseded by what is committed."""
        known = {} if not self.table.exists() else self.table.snapshot().commits
        stored = sorted(
            key for key in set(partitions) & set(known) if known[key].verdicts.get(_WAITS)
        )
        if stored:
            empty = pl.DataFrame(schema=self.table.spec.schema)
            # An identity of its own: the same rows may be held once more.
            gone = [Computation(key, empty, uuid.uuid4().hex, {_WAITS: False}) for key in stored]
            self.table.commit_all(gone, run_id=run_id, code_version=code_version)


def waiting_record(uses: Iterable[InputUse]) -> dict[str, Any]:
    """What the log of held partitions says beside the verdict: what they were computed from."""
    return {_WAITS: True, _INPUTS: {use.asset: dict(use.generations) for use in uses}}


def inputs_of(held: Commit) -> Generations:
    """The generations of the input partitions that held rows were computed from, by asset."""
    inputs: Generations = held.verdicts[_INPUTS]
    return inputs


def held_among(
    partitions: Iterable[str] | None,
    upstream: Source | Dimension | FeatureGroup,
    store: OfflineStore,
) -> tuple[str, ...]:
    """Those of an input's partitions, of all without a list, that wait for approval, in order."""
    if not isinstance(upstream, FeatureGroup) or not upstream.approval:
        return ()
    waiting = HeldPartitions.beside(upstream.table, store).waiting()
    asked = waiting if partitions is None else partitions
    return tuple(sorted(key for key in asked if key in waiting))
