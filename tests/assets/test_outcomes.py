"""The gate through which computed rows are committed."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import polars as pl

from headrace.assets.outcomes import Outcome, Pending, Run, commit_all
from headrace.assets.verdicts import Verdict
from headrace.tests.assets.visits import DAYS, make_world, midnight


def test_rows_that_the_table_refuses_keep_no_other_partition_back(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    world.read_inputs(DAYS[:3])
    compute = world.week.function

    def repeating(visits: pl.LazyFrame, pages: pl.LazyFrame, end: datetime) -> pl.LazyFrame:
        rows = compute(visits, pages, end)
        return pl.concat([rows, rows]) if end == midnight(DAYS[2]) else rows

    outcomes = world.materialize(replace(world.week, function=repeating), DAYS[:3])

    assert [outcome.partition for outcome in outcomes] == list(DAYS[:3])
    assert [outcome.commit is not None for outcome in outcomes] == [True, False, True]
    assert "2 rows repeat a key" in outcomes[1].reason
    assert set(world.generations(world.week)) == {DAYS[0], DAYS[2]}


def test_many_partitions_become_one_version_and_are_reported_in_order(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    table = world.deployment.offline.table(world.week.table)
    rows = pl.DataFrame(schema=table.spec.schema)
    pending = [
        Pending(Outcome(partition=day, seconds=0, verdict=Verdict(0)), rows, identity=day)
        for day in reversed(DAYS)
    ]

    outcomes = list(commit_all(pending, Run(world.deployment.offline, "run"), table, "code"))

    assert [outcome.partition for outcome in outcomes] == list(reversed(DAYS))
    assert len({outcome.commit.version for outcome in outcomes if outcome.commit}) == 1
