"""Whatever was committed, published and read: maintenance changes no answer."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeAlias

import polars as pl
import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.assets.maintenance import kept_versions
from headrace.assets.point_in_time import training_frame
from headrace.contract.errors import TableVersionGoneError
from headrace.contract.feature_group import Online
from headrace.resources.offline.commit_log import Commit
from headrace.resources.offline.maintenance.maintained import Maintenance, maintain_table
from headrace.resources.offline.receipt_store import ReceiptStore
from headrace.resources.offline.table_snapshot import TableSnapshot
from headrace.tests.resources.offline.maintenance.scattering import scatter
from headrace.tests.resources.online.publishing import Stage, day, group_of, key_of, stage_of

pytestmark = pytest.mark.server

DAYS = (1, 2, 3)
Rows: TypeAlias = dict[int, tuple[int, float]]
Step: TypeAlias = tuple[str, int, Rows]

_rows = st.dictionaries(
    st.integers(1, 4), st.tuples(st.integers(0, 23), st.floats(0, 100)), max_size=4
)
_actions = ["commit", "commit", "commit", "publish", "begin", "receipt", "scatter", "maintain"]
_steps = st.lists(
    st.tuples(st.sampled_from(_actions), st.sampled_from(DAYS), _rows), min_size=4, max_size=12
)
_SPINE = pl.DataFrame(
    [(household, day(number, 5)) for household in range(1, 6) for number in range(2, 6)],
    schema={"household_id": pl.Int64, "event_timestamp": pl.Datetime("us", "UTC")},
    orient="row",
)


@dataclass
class Maintained:
    """A stage, and what was read of it so far: it has to be the same ever after."""

    stage: Stage
    receipts: list[tuple[str, datetime | None, int]] = field(default_factory=list)

    def perform(self, steps: Sequence[Step]) -> None:
        for action, number, rows in steps:
            if action == "commit":
                self.stage.commit(number, self._as_rows(rows))
            elif key_of(number) in self.stage.table.snapshot().commits:
                self._act(action, number)

    def _act(self, action: str, number: int) -> None:
        match action:
            case "publish":
                self.stage.publish(number)
            case "begin":
                commit = self.stage.table.snapshot().commits[key_of(number)]
                self.stage.registry.register(self.stage.group)
                self.stage.rows().begin(key_of(number), commit.generation)
            case "receipt":
                self._keep_receipt(number)
            case "scatter":
                scatter(self.stage.table, key_of(number), pieces=2)
            case "maintain":
                self.maintain()

    def maintain(self) -> Maintenance:
        """Maintain the table, and compare all that can be asked before and after."""
        before = self._answers()
        state = self._generations_that_publishing_reads()
        kept = kept_versions(self.stage.group, self.stage.offline, self.stage.online)
        done = maintain_table(self.stage.table, kept, min_age=timedelta(0))
        assert self._answers() == before
        assert self._generations_that_publishing_reads() == state
        for _, _, version in self.receipts:
            self.stage.table.snapshot(version=version).scan().collect()
        assert done.compaction is None or done.compaction.files_after <= len(DAYS)
        return done

    def _answers(self) -> object:
        table, offline = self.stage.table, self.stage.offline
        newest = table.snapshot()
        frame, _ = training_frame(_SPINE, [self.stage.group.name], offline, keep_receipt=False)
        receipts = [
            training_frame(_SPINE, [self.stage.group.name], offline, known_at, keep_receipt=False)[
                1
            ].content_hash
            for _, known_at, _ in self.receipts
        ]
        assert receipts == [content_hash for content_hash, *_ in self.receipts]
        return (
            _rows_of(newest),
            frame.rows(),
            dict(newest.commits),
            list(table.log.commits),
            [_known(self.stage, each) for each in table.log.commits],
        )

    def _generations_that_publishing_reads(self) -> object:
        left = self.stage.unpublished()
        return left, self.stage.verify()

    def _keep_receipt(self, number: int) -> None:
        commits = [
            each for each in self.stage.table.log.commits if each.partition == key_of(number)
        ]
        known_at = commits[0].committed_at
        try:
            _, receipt = training_frame(
                _SPINE, [self.stage.group.name], self.stage.offline, known_at, keep_receipt=False
            )
            version = receipt.tables[0].table_version
            self.stage.table.snapshot(version=version).scan()
        except TableVersionGoneError:
            return
        folder = Path(self.stage.offline.root, "receipts")
        folder.mkdir(exist_ok=True)
        name = f"{receipt.content_hash}-{len(self.receipts)}.json"
        (folder / name).write_text(receipt.to_json())
        self.receipts.append((receipt.content_hash, known_at, version))

    def _as_rows(self, rows: Rows) -> list[tuple[object, ...]]:
        if self.stage.group.online is Online.SNAPSHOT:
            return [(household, value) for household, (_, value) in rows.items()]
        return [(household, hour, value) for household, (hour, value) in rows.items()]


def _rows_of(snapshot: TableSnapshot) -> list[tuple[object, ...]]:
    """The rows partition by partition; a scattered one is read in no order."""
    return [
        row
        for partition in snapshot.commits
        for row in sorted(snapshot.scan([partition]).collect().rows())
    ]


def _known(stage: Stage, commit: Commit) -> dict[str, int]:
    """The generations that were known when a commit was made."""
    commits = stage.table.snapshot(known_at=commit.committed_at).commits
    return {partition: each.generation for partition, each in commits.items()}


@pytest.mark.parametrize("online", [Online.SNAPSHOT, Online.UPSERT])
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=_steps)
def test_maintenance_changes_no_answer(online: Online, valkey_url: str, steps: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as folder, redis.Redis.from_url(valkey_url) as client:
        client.flushall()
        stage = stage_of(group_of(online), valkey_url, Path(folder))
        stage.commit(1, [])
        maintained = Maintained(stage)

        maintained.perform(steps)
        maintained.maintain()

        for number in DAYS:
            if key_of(number) in stage.table.snapshot().commits:
                stage.publish(number)
        assert stage.verify().is_clean
        assert stage.unpublished() == []
        named = ReceiptStore(stage.offline).named_versions().get(stage.group.reference, set())
        assert named == {version for *_, version in maintained.receipts if version >= 0}


def test_a_correction_of_what_was_published_is_retracted_after_a_vacuum(
    valkey_url: str, tmp_path: Path
) -> None:
    """Only the rows of the published generation say that household 2 has to go."""
    stage = stage_of(group_of(Online.UPSERT), valkey_url, tmp_path)
    stage.commit(1, [(1, 9, 1.0), (2, 9, 2.0)])
    stage.publish(1)
    stage.commit(1, [(1, 9, 1.5), (2, 9, 2.5)])
    stage.commit(1, [(1, 9, 1.5)])

    done = Maintained(stage).maintain()
    published = stage.publish(1)

    assert done.vacuum is not None
    assert done.vacuum.files == 1  # of the generation that nobody began to publish
    assert done.kept.versions == {1: f"published in 'test': {key_of(1)}"}
    assert published.rows_retracted == 1
    assert list(stage.served()) == [1]
    assert stage.verify().is_clean

    after = Maintained(stage).maintain()

    assert after.vacuum is not None
    assert after.vacuum.files == 1
    assert after.kept.versions == {}
