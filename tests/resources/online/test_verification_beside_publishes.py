"""Proofs while others publish: what these change is no difference, and no damage is missed."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest
import redis

from headrace.contract.feature_group import Online
from headrace.resources.offline.offline_table import OfflineTable
from headrace.resources.offline.table_snapshot import TableSnapshot
from headrace.resources.online.verification import Verification, verify_group
from headrace.tests.resources.online.publishing import Stage, group_of, stage_of

pytestmark = pytest.mark.server

HOUSEHOLDS = range(100)


@dataclass(frozen=True, slots=True)
class BusyTable(OfflineTable):
    """A table, and what others do each time before somebody looks at it."""

    others: Iterator[object]

    def snapshot(
        self, known_at: datetime | None = None, version: int | None = None
    ) -> TableSnapshot:
        next(self.others, None)
        return OfflineTable.snapshot(self, known_at, version)


@pytest.fixture
def stage(valkey_url: str, tmp_path: Path) -> Stage:
    stage = stage_of(group_of(Online.UPSERT), valkey_url, tmp_path)
    for number in (1, 2):
        stage.commit(number, [(household, 9, 1.0) for household in HOUSEHOLDS])
        stage.publish(number)
    return stage


def corrected(stage: Stage, times: int) -> Iterator[None]:
    """Each time another household's newest row changes, and a publish begins and finishes."""
    for time in range(times):
        rows = [(household, 9, 1.0) for household in HOUSEHOLDS if household != time]
        stage.commit(2, [*rows, (time, 10, 2.0)])
        stage.publish(2)
        yield


def corrected_but(stage: Stage, spared: set[int], times: int) -> Iterator[None]:
    """Like `corrected`, of a third day that does not know some households."""
    for time in range(times):
        rows = [(household, 9, float(time)) for household in HOUSEHOLDS if household not in spared]
        stage.commit(3, rows)
        stage.publish(3)
        yield


def verified(stage: Stage, others: Iterator[object], sample: int | None) -> Verification:
    table = BusyTable(stage.table.spec, stage.table.uri, stage.table.log, others)
    return verify_group(stage.group, table, stage.online, stage.registry, sample=sample)


@pytest.mark.parametrize("sample", [None, 1000])
def test_what_is_published_while_entities_are_compared_is_no_difference(
    stage: Stage, sample: int | None
) -> None:
    found = verified(stage, corrected(stage, 7), sample)

    assert (found.equal, found.differences) == (len(HOUSEHOLDS), ())
    assert found.is_clean


def test_damage_is_found_also_while_others_publish(stage: Stage, valkey_url: str) -> None:
    with redis.Redis.from_url(valkey_url) as client:
        client.delete(stage.key(50))
        client.set(stage.key(51), b"no row")

    found = verified(stage, corrected_but(stage, {50, 51}, 7), None)

    assert (found.equal, found.missing, found.differing) == (len(HOUSEHOLDS) - 2, 1, 1)
