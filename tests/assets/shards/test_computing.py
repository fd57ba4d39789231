"""Computing in shards comes to the same as computing in one step, or to nothing at all."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from headrace.assets.materialization import computed_rows
from headrace.assets.pinned_inputs import PinnedInputs
from headrace.assets.shards.computing import compute_shard, plan_shards
from headrace.assets.shards.sharding import shards_of
from headrace.resources.offline.staging import attempts, remove_old
from headrace.tests.assets.shards.sales import BUCKETS, DAYS, SalesWorld, sales

SOME = sales(
    *((day, f"c{number % 12}", 1, 1 + number % 3, 1.5) for day in DAYS for number in range(30))
)

customers = st.one_of(
    st.none(), st.sampled_from([f"c{number}" for number in range(14)]), st.text(max_size=3)
)
sold = st.lists(
    st.tuples(
        st.just(DAYS[0]), customers, st.integers(0, 2), st.integers(1, 3), st.floats(0.01, 1e6)
    ),
    max_size=60,
)


def test_a_function_makes_the_same_rows_of_all_shards_as_of_the_whole(tmp_path: Path) -> None:
    """Whatever the rows; strings and integers are keys, an input of no entity is seen whole."""
    worlds = {shards: SalesWorld(tmp_path, SOME, shards) for shards in range(1, BUCKETS + 1)}
    worlds[1].read_inputs()

    @given(rows=sold, shards=st.integers(2, BUCKETS))
    @settings(max_examples=25)
    def law(rows: list[tuple[str, str | None, int, int, float]], shards: int) -> None:
        worlds[1].sales = sales(*rows)
        worlds[1].materialize(worlds[1].source, DAYS[:1])
        for whole, dealt in zip(worlds[1].groups, worlds[shards].groups, strict=True):
            if dealt.name == "customer_share":
                continue  # reads what is committed: below
            inputs = PinnedInputs.of(dealt, worlds[1].store)
            parts = [shard.rows(inputs, DAYS[0]) for shard in shards_of(dealt)]
            made = computed_rows(whole, inputs, DAYS[0])
            _assert_same({"": pl.concat(parts)}, {"": made})

    law()


@pytest.mark.parametrize("shards", [2, BUCKETS])
def test_shards_commit_what_one_step_commits(tmp_path: Path, shards: int) -> None:
    whole = SalesWorld(tmp_path / "one", SOME, 1)
    dealt = SalesWorld(tmp_path / "other", SOME, shards)
    for world in (whole, dealt):
        world.read_inputs()
    for alone, together in zip(whole.groups, dealt.groups, strict=True):
        whole.materialize(alone)
        outcomes = dealt.compute(together)

        assert [outcome.reason for outcome in outcomes if outcome.commit is None] == []
        assert dealt.generations(together) == dict.fromkeys(DAYS, 1)
        _assert_same(dealt.rows(together), whole.rows(alone))


def _assert_same(found: Mapping[str, pl.DataFrame], wanted: Mapping[str, pl.DataFrame]) -> None:
    """All values are equal; sums of floats up to the order in which they were added."""
    assert found.keys() == wanted.keys()
    for day, frame in found.items():
        assert_frame_equal(frame, wanted[day], rel_tol=1e-9, abs_tol=0.0, check_row_order=False)


@pytest.fixture
def world(tmp_path: Path) -> SalesWorld:
    made = SalesWorld(tmp_path, SOME, 3)
    made.read_inputs()
    return made


def test_all_partitions_of_a_run_are_committed_together(world: SalesWorld) -> None:
    world.compute(world.spend)

    commits = world.store.table(world.spend.table).snapshot().commits
    assert {commit.version for commit in commits.values()} == {1}


def test_the_same_again_commits_nothing_and_computes_nothing(world: SalesWorld) -> None:
    world.compute(world.spend)

    plan = plan_shards(world.spend, DAYS, world.store, world.staging(world.spend, "again"))
    outcomes = world.compute(world.spend, attempt="again")

    assert plan.due == []
    assert all(outcome.commit is not None and outcome.commit.no_op for outcome in outcomes)
    assert world.generations(world.spend) == dict.fromkeys(DAYS, 1)


def test_one_step_finds_nothing_to_do_after_shards_and_they_after_it(world: SalesWorld) -> None:
    world.compute(world.spend)
    (outcome, *_) = world.materialize(world.spend)

    assert outcome.commit is not None
    assert outcome.commit.no_op


def test_a_failed_shard_commits_nothing_of_its_partition(world: SalesWorld) -> None:
    def refuse(frame: pl.DataFrame) -> None:
        if str(frame["sold_at"].max()) > DAYS[1] and "c1" in frame["customer"]:
            raise ZeroDivisionError

    world.raises = refuse

    outcomes = {outcome.partition: outcome for outcome in world.compute(world.spend)}

    assert world.generations(world.spend) == {DAYS[0]: 1}
    assert "ZeroDivisionError" in outcomes[DAYS[1]].reason
    assert "shard" in outcomes[DAYS[1]].reason


def test_a_shard_that_never_ran_commits_nothing(world: SalesWorld) -> None:
    plan_shards(world.spend, DAYS, world.store, world.staging(world.spend))
    for shard in shards_of(world.spend)[:-1]:
        list(compute_shard(shard, world.store, world.staging(world.spend)))

    outcomes = world.commit(world.spend)

    assert [outcome.commit for outcome in outcomes] == [None, None, None]
    assert "shard 2 of 0..2 made no rows (it left nothing)" in outcomes[0].reason
    assert world.generations(world.spend) == {}


def test_rules_are_held_against_the_whole(world: SalesWorld) -> None:
    """A key that two shards made is found, though each has it once."""
    staging = world.staging(world.last)
    plan_shards(world.last, DAYS[:1], world.store, staging)
    for shard in shards_of(world.last):
        list(compute_shard(shard, world.store, staging))
    twice = pl.concat([staging.rows(DAYS[0], 0), staging.rows(DAYS[0], 1).head(1)])
    staging.write_part(DAYS[0], 0, twice, {"rows": twice.height})

    (outcome,) = world.commit(world.last)

    assert "repeat a key" in outcome.reason
    assert world.generations(world.last) == {}


def test_all_shards_see_the_inputs_that_were_planned(world: SalesWorld) -> None:
    plan_shards(world.spend, DAYS, world.store, world.staging(world.spend))
    (first, *others) = shards_of(world.spend)
    list(compute_shard(first, world.store, world.staging(world.spend)))
    world.sales = world.sales.with_columns(amount=pl.lit(100.0))
    world.materialize(world.source)
    for shard in others:
        list(compute_shard(shard, world.store, world.staging(world.spend)))
    world.commit(world.spend)

    assert {frame["largest"].max() for frame in world.rows(world.spend).values()} == {1.5}
    outcomes = world.compute(world.spend, attempt="again")
    assert all(outcome.commit and not outcome.commit.no_op for outcome in outcomes)
    assert {frame["largest"].max() for frame in world.rows(world.spend).values()} == {100.0}


def test_what_somebody_else_committed_meanwhile_is_not_replaced(world: SalesWorld) -> None:
    staging = world.staging(world.spend, "slow")
    plan_shards(world.spend, DAYS[:1], world.store, staging)
    for shard in shards_of(world.spend):
        list(compute_shard(shard, world.store, staging))
    world.sales = world.sales.with_columns(amount=pl.lit(100.0))
    world.materialize(world.source)
    world.materialize(world.spend, DAYS[:1])

    (outcome,) = world.commit(world.spend, "slow")

    assert "planned upon generation 0, and there is generation 1" in outcome.reason
    assert world.rows(world.spend)[DAYS[0]]["largest"].max() == 100.0


def test_a_group_that_is_approved_holds_what_its_shards_made(world: SalesWorld) -> None:
    object.__setattr__(world.last, "approval", True)

    outcomes = world.compute(world.last)

    assert [outcome.held is not None for outcome in outcomes] == [True, True, True]
    assert world.generations(world.last) == {}


def test_rows_of_another_shards_entities_are_refused(tmp_path: Path) -> None:
    world = SalesWorld(tmp_path, SOME, 3)
    whole = SalesWorld(tmp_path, SOME, 1)
    world.read_inputs()
    object.__setattr__(  # a function that sees more than its inputs
        world.last,
        "function",
        lambda sales: whole.last.function(SOME.lazy()),  # noqa: ARG005
    )

    outcomes = world.compute(world.last, DAYS[2:])

    assert "rows are of entities that belong to another shard" in outcomes[0].reason
    assert world.generations(world.last) == {}


def test_other_code_takes_no_part(world: SalesWorld) -> None:
    plan_shards(world.spend, DAYS, world.store, world.staging(world.spend))
    object.__setattr__(world.spend, "code_version", "newer")

    with pytest.raises(Exception, match="planned by other code"):
        list(compute_shard(shards_of(world.spend)[0], world.store, world.staging(world.spend)))


def test_maintenance_removes_attempts_by_their_age(world: SalesWorld) -> None:
    plan_shards(world.spend, DAYS, world.store, world.staging(world.spend))

    assert remove_old(world.store, world.spend.table, timedelta(hours=1)) == []
    assert set(attempts(world.store, world.spend.table)) == {"run"}
    assert remove_old(world.store, world.spend.table, timedelta(0)) == ["run"]
    assert not list((world.folder / "staging").rglob("*.json"))
