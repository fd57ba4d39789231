"""Which column comes from which."""

from collections.abc import Callable, Mapping

import polars as pl
import pytest

from headrace.assets.lineage import derive_lineage
from headrace.assets.plan import InputColumn

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


LISTED = pl.List(pl.Int64)
A = pl.Schema([("k", pl.Int64()), ("t", pl.Int64()), ("x", pl.Float64()), ("l", LISTED)])
B = pl.Schema({"k": pl.Int64, "t": pl.Int64, "y": pl.Float64})
FRAMES = {"a": A, "b": B}


@pytest.mark.parametrize(
    ("plan", "output", "direct", "rows"),
    [
        pytest.param(
            lambda a, _: (
                a.group_by("k", "t").agg(n=pl.len()).group_by("k").agg(n=pl.col("t").max())
            ),
            *("n", "a.t", "a.k a.t"),
            id="a key of an inner grouping whose values are used later is both",
        ),
        pytest.param(
            lambda a, _: a.sort("t").group_by("k", maintain_order=True).agg(pl.col("x").last()),
            *("x", "a.t a.x", "a.k"),
            id="the order decides where the last one wins",
        ),
        pytest.param(
            lambda a, _: a.sort("t").group_by("k").agg(pl.col("x").sum()),
            *("x", "a.x", "a.k"),
            id="the order decides nothing in a sum",
        ),
        pytest.param(
            lambda a, _: a.sort("t").head(3),
            *("x", "a.x", "a.t"),
            id="the order decides which rows are the first",
        ),
        pytest.param(
            lambda a, b: a.join(b, on="k", how="left").select("k", "y"),
            *("k", "a.k", "a.k b.k"),
            id="a key of a left join is the left one",
        ),
        pytest.param(
            lambda a, b: a.join(b.select("k", found=True), on="k", how="left"),
            *("found", "b.k", "a.k b.k"),
            id="a constant of the optional side says whether there was a match",
        ),
        pytest.param(
            lambda a, b: a.join(b, on="k"),
            *("t_right", "b.t", "a.k b.k"),
            id="a column with a suffix is the right one",
        ),
        pytest.param(
            lambda a, b: a.join(b, on="k", how="right"),
            *("k", "b.k", "a.k b.k"),
            id="a key of a right join is the right one",
        ),
        pytest.param(
            lambda a, b: a.join(b, on="k", how="semi"),
            *("x", "a.x", "a.k b.k"),
            id="a semi join decides rows alone",
        ),
        pytest.param(
            lambda a, b: a.sort("t").join_asof(b.sort("t"), on="t", by="k"),
            *("y", "b.y", "a.k a.t b.k b.t"),
            id="an as-of join decides by its time and its keys",
        ),
        pytest.param(
            lambda a, _: a.with_columns(share=pl.col("x") / pl.col("x").sum().over("k")),
            *("share", "a.k a.x", ""),
            id="a window counts with what it is over",
        ),
        pytest.param(
            lambda a, _: a.unique("k", keep="any"), *("x", "a.x", "a.k"), id="unique decides rows"
        ),
        pytest.param(
            lambda a, _: a.sort("t").unique("k", keep="first"),
            *("x", "a.t a.x", "a.k"),
            id="which of equal rows stays depends on the order",
        ),
        pytest.param(
            lambda a, _: a.explode("l").select("l"), *("l", "a.l", "a.l"), id="a list makes rows"
        ),
        pytest.param(
            lambda a, _: a.select(s=pl.struct("k", "x")).unnest("s"),
            *("k", "a.k a.x", ""),
            id="a field of a struct is all that is in the struct",
        ),
        pytest.param(
            lambda a, b: pl.concat([a.select("k", "x"), b.select("k", pl.col("y").alias("x"))]),
            *("x", "a.x b.y", ""),
            id="rows below each other come from both",
        ),
        pytest.param(
            lambda a, b: pl.concat([a.select("x"), b.select("y")], how="horizontal"),
            *("y", "b.y", ""),
            id="columns beside each other stay apart",
        ),
        pytest.param(
            lambda a, _: (
                a.set_sorted("t")
                .group_by_dynamic("t", every="1i", group_by="k")
                .agg(pl.col("x").sum())
            ),
            *("x", "a.x", "a.k a.t"),
            id="a rolling window decides rows by its time",
        ),
        pytest.param(
            lambda a, _: a.select(pl.col("x").filter(pl.col("t") > 1)),
            *("x", "a.t a.x", "a.t"),
            id="a filter inside a selection decides rows",
        ),
        pytest.param(
            lambda a, _: pl.SQLContext(a=a).execute("SELECT k, MAX(x) AS m FROM a GROUP BY k"),
            *("m", "a.x", "a.k"),
            id="SQL is a plan like any other",
        ),
        pytest.param(
            lambda a, _: a.with_columns(pl.col("x").map_elements(abs, return_dtype=pl.Float64)),
            *("x", "a.x", ""),
            id="a Python function over values is asked what it needs",
        ),
        pytest.param(
            lambda a, _: a.group_by("k").agg(
                pl.col("x").sum(), s=pl.col("t").map_elements(abs, return_dtype=pl.Int64).sum()
            ),
            *("x", "a.x", "a.k"),
            id="a Python function over other values changes nothing",
        ),
        pytest.param(
            lambda a, _: a.filter(pl.col("t").map_elements(bool, return_dtype=pl.Boolean)),
            *("x", "a.x", "a.t"),
            id="a Python function that chooses rows decides them",
        ),
        pytest.param(
            lambda a, _: a.unpivot(on=["t", "k"], index="x").filter(pl.col("value") > 0),
            *("value", "a.k a.t", "a.k a.t"),
            id="values that become rows come from all of their columns",
        ),
        pytest.param(
            lambda a, _: a.unpivot(on=["t", "k"], index="x"),
            *("variable", "", ""),
            id="the names of columns that become rows come from none",
        ),
        pytest.param(
            lambda a, _: a.filter(pl.col("x") > 0).map_batches(lambda rows: rows),
            *("x", "a.k a.l a.t a.x", "a.k a.l a.t a.x"),
            id="a Python function over frames may make every column of every one",
        ),
        pytest.param(
            lambda a, _: a.filter(pl.col("x") > 0).select(
                pl.col("x").map_elements(abs, return_dtype=pl.Float64)
            ),
            *("x", "a.x", "a.x"),
            id="what a Python function is given and decides rows is direct, too",
        ),
        pytest.param(
            lambda a, _: a.filter(pl.col("k").is_in(a.select("t").collect()["t"])),
            *("x", "a.x", "a.k a.t"),
            id="what is collected on the way is said to decide rows",
        ),
    ],
)
def test_each_step_of_a_plan_is_followed(
    plan: Callable[[pl.LazyFrame, pl.LazyFrame], pl.LazyFrame], output: str, direct: str, rows: str
) -> None:
    lineage = derive_lineage(lambda frames: plan(frames["a"], frames["b"]), FRAMES)

    assert lineage[output].direct == columns(*direct.split())
    assert lineage[output].rows == columns(*rows.split())


@pytest.mark.parametrize(
    ("plan", "opaque"),
    [
        pytest.param(
            lambda a, _: a.group_by("k").agg(
                pl.col("x").sum(), pl.col("t").map_elements(abs, return_dtype=pl.Int64).sum()
            ),
            "t",
            id="a function over values",
        ),
        pytest.param(
            lambda a, _: (
                a.with_columns(pl.col("x").map_batches(pl.Series.abs, return_dtype=pl.Float64))
                .group_by("k")
                .agg(half=pl.col("x").sum() / 2, last=pl.col("t").max())
            ),
            "half",
            id="what is computed from its values later",
        ),
        pytest.param(
            lambda a, b: (
                a.select("k", "x")
                .map_batches(lambda rows: rows)
                .join(b.select("k", "y"), on="k", how="left")
            ),
            "k x",
            id="a function over frames, and not what is joined to them",
        ),
        pytest.param(
            lambda a, _: (
                a.select("k", "x")
                .group_by("k")
                .map_groups(lambda rows: rows, schema={"k": pl.Int64, "x": pl.Float64})
            ),
            "k x",
            id="a function over groups",
        ),
        pytest.param(
            lambda a, _: a.select("k", n=pl.fold(pl.lit(0.0), lambda so, x: so + x, ["x", "t"])),
            "n",
            id="a function that folds columns",
        ),
        pytest.param(
            lambda a, _: a.select("k", pl.col("l").list.eval(pl.element() + 1)),
            "l",
            id="an expression that polars shows nobody",
        ),
        pytest.param(
            lambda a, _: a.filter(pl.col("t").map_elements(bool, return_dtype=pl.Boolean)),
            "",
            id="no value passes through a function that chooses rows",
        ),
    ],
)
def test_a_column_is_opaque_where_its_values_pass_through_what_nobody_sees_into(
    plan: Callable[[pl.LazyFrame, pl.LazyFrame], pl.LazyFrame], opaque: str
) -> None:
    lineage = derive_lineage(lambda frames: plan(frames["a"], frames["b"]), FRAMES)

    assert [name for name, each in lineage.items() if each.is_opaque] == opaque.split()


def test_an_opaque_column_names_all_that_it_needs() -> None:
    def scored(frames: Mapping[str, pl.LazyFrame]) -> pl.LazyFrame:
        paid = pl.struct("amount", "cost").map_elements(len, return_dtype=pl.Int64)
        joined = frames["sales"].filter(pl.col("at") > 0).join(frames["items"], on="item")
        return joined.select("brand", score=paid)

    lineage = derive_lineage(scored, INPUTS)

    assert lineage["score"].direct == columns(
        "items.cost", "items.item", "sales.amount", "sales.at", "sales.item"
    )
    assert not lineage["brand"].is_opaque
    assert lineage["brand"].direct == columns("items.brand")
    assert lineage["score"].rows == columns("items.item", "sales.at", "sales.item")
