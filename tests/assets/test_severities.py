"""Rules that block, and rules that only warn."""

from dataclasses import replace
from pathlib import Path

import pandera.polars as pa
import polars as pl
import pytest

from headrace.assets.authoring import dimension
from headrace.assets.quarantine import Quarantine
from headrace.assets.rules import schema_in_words
from headrace.assets.verdicts import Breach, Verdict, judge, verdict_from_json
from headrace.contract.errors import DefinitionError
from headrace.tests.assets.visits import DAYS, World, make_world


class Basket(pa.DataFrameModel):
    """Both severities in one column, and a rule about whole rows."""

    customer: int
    spend: float = pa.Field(ge=0)
    items: int = pa.Field(le=100, raise_warning=True)

    @pa.check("spend", name="is usual", raise_warning=True)
    def is_usual(cls, data: pa.PolarsData) -> pl.LazyFrame:  # noqa: N805 - pandera's way
        return data.lazyframe.select(pl.col(data.key) < 1000)

    @pa.dataframe_check(name="costs something", raise_warning=True)
    def costs_something(cls, data: pa.PolarsData) -> pl.LazyFrame:  # noqa: N805 - pandera's way
        return data.lazyframe.select((pl.col("items") == 0) | (pl.col("spend") > 0))


def baskets(*rows: tuple[int, float, int]) -> pl.DataFrame:
    schema = {"customer": pl.Int64, "spend": pl.Float64, "items": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def test_rows_that_break_rules_that_only_warn_pass_and_what_they_broke_is_said() -> None:
    frame = baskets((1, 2000.0, 1), (2, 5.0, 101), (3, 0.0, 2), (4, 5.0, 2))

    judged = judge(Basket, frame)

    assert judged.verdict == Verdict(
        4,
        (
            Breach("is usual", "spend", 1, "warn"),
            Breach("less_than_or_equal_to(100)", "items", 1, "warn"),
            Breach("costs something", None, 1, "warn"),
        ),
    )
    assert judged.verdict.passed
    assert str(judged.verdict).startswith("4 rows, warning: some break is usual of spend (1×); ")
    assert judged.rows.equals(frame)
    assert judged.refused is None


def test_counts_have_separators() -> None:
    verdict = Verdict(12_345, (Breach("is unique", "spend", 1_234),))

    assert str(verdict) == "some of 12,345 rows break is unique of spend (1,234×)"


def test_a_rule_that_blocks_refuses_its_rows_alone_and_warnings_are_told_apart() -> None:
    judged = judge(Basket, baskets((1, 2000.0, 1), (2, -5.0, 101), (3, 1.0, 1)))

    severities = {(each.rule, each.column): each.severity for each in judged.verdict.breaches}
    assert not judged.verdict.passed
    assert severities == {
        ("greater_than_or_equal_to(0)", "spend"): "block",
        ("is usual", "spend"): "warn",
        ("less_than_or_equal_to(100)", "items"): "warn",
        ("costs something", None): "warn",
    }
    assert str(judged.verdict) == "some of 3 rows break greater_than_or_equal_to(0) of spend (1×)"
    assert judged.refused is not None
    assert judged.refused["customer"].to_list() == [2]


def test_a_verdict_survives_the_log_and_one_from_before_severities_blocks() -> None:
    verdict = Verdict(3, (Breach("is usual", "spend", 1, "warn"), Breach("ge", None, 2)))
    before = {"rows": 1, "breaches": [{"rule": "ge", "column": "a", "count": 1}]}

    assert verdict_from_json(verdict.to_json()) == verdict
    assert verdict_from_json(before) == Verdict(1, (Breach("ge", "a", 1, "block"),))


def test_a_rules_severity_is_part_of_a_code_version_only_where_it_warns() -> None:
    columns = Basket.to_schema().columns

    spend, items = schema_in_words({name: columns[name] for name in ("spend", "items")})

    assert "warn" in items
    assert spend.endswith("['is usual'] warn")


def test_a_schema_that_drops_rows_is_refused() -> None:
    class Dropping(pa.DataFrameModel):
        a: int = pa.Field(ge=0)

        class Config:
            drop_invalid_rows = True

    with pytest.raises(DefinitionError, match="nothing is ever dropped silently"):

        @dimension(schema=Dropping, owners=["team:a"])
        def numbers() -> pl.LazyFrame:
            raise NotImplementedError


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path)


class LenientWeek(pa.DataFrameModel):
    visitor: int
    visits_7d: int = pa.Field(ge=1)
    seconds_7d: float = pa.Field(ge=0, raise_warning=True)


def test_a_partition_with_warnings_is_committed_whole_and_its_commit_says_so(world: World) -> None:
    world.add((DAYS[0], 3, "a", -5.0))
    world.read_inputs(DAYS[:1])

    (outcome,) = world.materialize(replace(world.week, schema=LenientWeek), DAYS[:1])

    assert outcome.commit is not None
    assert outcome.commit.rows == 3
    assert outcome.commit.verdicts["passed"] is True
    assert outcome.commit.verdicts["breaches"] == [
        {
            "rule": "greater_than_or_equal_to(0)",
            "column": "seconds_7d",
            "count": 1,
            "severity": "warn",
        }
    ]
    assert not Quarantine.beside(world.week.table, world.deployment.offline).table.exists()
