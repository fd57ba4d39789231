"""Which column comes from which."""

from collections.abc import Mapping

import polars as pl
import pytest

from headrace.assets.lineage import InputColumn, derive_lineage

SALES = pl.Schema({"item": pl.Int64, "at": pl.Int64, "amount": pl.Float64, "note": pl.String})
ITEMS = pl.Schema({"item": pl.Int64, "brand": pl.String, "cost": pl.Float64})
INPUTS = {"sales": SALES, "items": ITEMS}


def features(frames: Mapping[str, pl.LazyFrame]) -> pl.LazyFrame:
    bought = frames["sales"].filter(pl.col("at") > 0).join(frames["items"], on="item")
    return (
        bought.with_columns(double=pl.col("amount") * 2)
        .group_by("item")
        .agg(
            pl.col("double").sum().alias("doubled"),
            (pl.col("amount").sum() / pl.col("cost").max()).alias("margin"),
            pl.len().alias("count"),
            pl.col("brand").first(),
        )
        .with_columns(half=pl.col("doubled") / 4)
    )


def columns(*names: str) -> tuple[InputColumn, ...]:
    return tuple(InputColumn(*name.split(".")) for name in names)


@pytest.mark.parametrize(
    ("output", "direct"),
    [
        ("doubled", ("sales.amount",)),
        ("margin", ("items.cost", "sales.amount")),
        ("half", ("sales.amount",)),
        ("brand", ("items.brand",)),
        ("count", ()),
        ("item", ("items.item", "sales.item")),
    ],
)
def test_a_column_names_the_columns_that_its_values_come_from(
    output: str, direct: tuple[str, ...]
) -> None:
    lineage = derive_lineage(features, INPUTS)

    assert lineage[output].direct == columns(*direct)


def test_keys_and_filters_are_told_apart_as_deciding_which_rows_exist() -> None:
    lineage = derive_lineage(features, INPUTS)

    deciding = columns("items.item", "sales.at", "sales.item")
    assert {each.rows for each in lineage.values()} == {deciding}


def test_a_column_that_nothing_uses_is_in_no_lineage() -> None:
    lineage = derive_lineage(features, INPUTS)

    used = {column for each in lineage.values() for column in (*each.direct, *each.rows)}
    assert InputColumn("sales", "note") not in used


def test_the_columns_come_in_the_order_of_the_output() -> None:
    assert list(derive_lineage(features, INPUTS)) == [
        "item",
        "doubled",
        "margin",
        "count",
        "brand",
        "half",
    ]


def test_a_filter_inside_an_aggregate_counts_as_direct() -> None:
    def recent(frames: Mapping[str, pl.LazyFrame]) -> pl.LazyFrame:
        amount = pl.col("amount").filter(pl.col("at") > 7).sum()
        return frames["sales"].group_by("item").agg(amount.alias("recent"))

    lineage = derive_lineage(recent, {"sales": SALES})

    assert lineage["recent"].direct == columns("sales.amount", "sales.at")
