from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TypeAlias

import polars as pl
import pytest

from headrace.assets.point_in_time import OfflineStore, training_frame
from headrace.contract.errors import (
    InvalidArgumentError,
    InvalidFeatureReferenceError,
    UnknownNameError,
)
from headrace.contract.feature_group import (
    DType,
    EntitySpec,
    FeatureGroupSpec,
    FeatureSpec,
    JoinKey,
    Online,
)
from headrace.contract.partitions import HOURLY
from headrace.resources.offline.catalogue_table import CatalogueTable
from headrace.resources.offline.offline_table import OfflineTable
from headrace.resources.offline.table_spec import feature_table
from headrace.tests.resources.offline.tables import (
    DAY,
    LAST_BASKET,
    MICROSECOND,
    SPEND,
    START,
    commit,
    day,
    end,
    snapshot_rows,
    upsert_rows,
)

UTC_US = pl.Datetime("us", "UTC")
Row: TypeAlias = tuple[int, datetime, float]


@pytest.fixture
def store(tmp_path: Path) -> OfflineStore:
    return OfflineStore(str(tmp_path))


@pytest.fixture
def spend(store: OfflineStore) -> OfflineTable:
    return store.table(feature_table(SPEND))


@pytest.fixture
def baskets(store: OfflineStore) -> OfflineTable:
    return store.table(feature_table(LAST_BASKET))


def spine(*rows: tuple[int | None, datetime | None]) -> pl.DataFrame:
    schema = {"household_id": pl.Int64(), "event_timestamp": UTC_US}
    return pl.DataFrame(list(rows), schema=schema, orient="row")


def amounts(
    store: OfflineStore,
    group: str,
    asked: Sequence[tuple[int | None, datetime | None]],
    known_at: datetime | None = None,
) -> list[float | None]:
    frame, _ = training_frame(spine(*asked), [f"{group}:amount"], store, known_at)
    return frame[f"{group}__amount"].to_list()


# ---- snapshot groups ----


def test_a_snapshot_is_known_from_its_partitions_end_on(
    store: OfflineStore, spend: OfflineTable
) -> None:
    commit(spend, 0, snapshot_rows(0, {1: 1.0}))

    known = amounts(store, "spend", [(1, end(0) - MICROSECOND), (1, end(0)), (1, end(0) + DAY)])

    assert known == [None, 1.0, 1.0]


def test_a_snapshot_is_known_up_to_its_ttl_inclusive(
    store: OfflineStore, spend: OfflineTable
) -> None:
    commit(spend, 0, snapshot_rows(0, {1: 1.0}))

    known = amounts(store, "spend", [(1, end(0) + 3 * DAY), (1, end(0) + 3 * DAY + MICROSECOND)])

    assert known == [1.0, None]


def test_an_entity_that_vanished_from_the_newest_snapshot_is_unknown(
    store: OfflineStore, spend: OfflineTable
) -> None:
    commit(spend, 0, snapshot_rows(0, {1: 1.0, 2: 2.0}))
    commit(spend, 1, snapshot_rows(1, {2: 3.0}))

    assert amounts(store, "spend", [(1, end(0)), (1, end(1)), (2, end(1))]) == [1.0, None, 3.0]


def test_an_empty_snapshot_says_that_nobody_is_there(
    store: OfflineStore, spend: OfflineTable
) -> None:
    commit(spend, 0, snapshot_rows(0, {1: 1.0}))
    commit(spend, 1, snapshot_rows(1, {}))

    assert amounts(store, "spend", [(1, end(1))]) == [None]


def test_a_partition_that_was_never_committed_falls_back_to_the_one_before(
    store: OfflineStore, spend: OfflineTable
) -> None:
    commit(spend, 0, snapshot_rows(0, {1: 1.0}))
    commit(spend, 2, snapshot_rows(2, {1: 3.0}))

    assert amounts(store, "spend", [(1, end(1)), (1, end(2))]) == [1.0, 3.0]


def test_partitions_that_no_time_falls_to_are_not_opened(
    store: OfflineStore, spend: OfflineTable
) -> None:
    for number in range(4):
        commit(spend, number, snapshot_rows(number, {1: float(number)}))
    for file in spend.snapshot().files([day(0), day(2), day(3)]):
        Path(file).unlink()

    assert amounts(store, "spend", [(1, end(1)), (1, end(1) + DAY - MICROSECOND)]) == [1.0, 1.0]


# ---- upsert groups ----


def test_an_upsert_row_is_known_from_its_partitions_end_on(
    store: OfflineStore, baskets: OfflineTable
) -> None:
    commit(baskets, 0, upsert_rows((1, START, 1.0)))

    known = amounts(store, "last_basket", [(1, START + timedelta(hours=5)), (1, end(0))])

    assert known == [None, 1.0]


def test_the_newest_upsert_row_is_known_until_a_newer_one_is(
    store: OfflineStore, baskets: OfflineTable
) -> None:
    commit(baskets, 0, upsert_rows((1, START, 1.0), (1, START + MICROSECOND, 2.0)))
    commit(baskets, 1, upsert_rows((1, end(1) - MICROSECOND, 3.0), (2, end(0), 4.0)))

    known = amounts(
        store, "last_basket", [(1, end(0)), (1, end(1) - MICROSECOND), (1, end(1)), (2, end(1))]
    )

    assert known == [2.0, 2.0, 3.0, 4.0]


def test_an_upsert_row_is_known_up_to_its_own_ttl_inclusive(
    store: OfflineStore, baskets: OfflineTable
) -> None:
    at = START + timedelta(hours=7)
    commit(baskets, 0, upsert_rows((1, at, 1.0)))

    known = amounts(store, "last_basket", [(1, at + 3 * DAY), (1, at + 3 * DAY + MICROSECOND)])

    assert known == [1.0, None]


def test_upsert_rows_without_a_ttl_are_known_for_ever(store: OfflineStore) -> None:
    eternal = store.table(feature_table(replace(LAST_BASKET, ttl=None)))
    commit(eternal, 0, upsert_rows((1, START, 1.0)))

    assert amounts(store, "last_basket", [(1, START + 36_500 * DAY)]) == [1.0]


def test_upsert_partitions_that_cannot_hold_an_answer_are_not_opened(
    store: OfflineStore, baskets: OfflineTable
) -> None:
    for number in range(9):
        commit(baskets, number, upsert_rows((1, end(number) - DAY, float(number))))
    for file in baskets.snapshot().files([day(0), day(1), day(2), day(6), day(7), day(8)]):
        Path(file).unlink()

    assert amounts(store, "last_basket", [(1, end(5)), (1, end(6) - MICROSECOND)]) == [5.0, 5.0]


# ---- corrections and what was known when (the public cases of peers.md, 4a) ----


@pytest.mark.parametrize("group", [SPEND, LAST_BASKET])
def test_of_one_event_time_the_later_correction_wins_and_known_at_sees_the_earlier(
    store: OfflineStore, group: FeatureGroupSpec
) -> None:
    table = store.table(feature_table(group))
    rows = {SPEND: snapshot_rows(0, {1001: 10.0}), LAST_BASKET: upsert_rows((1001, START, 10.0))}
    first = commit(table, 0, rows[group])
    commit(table, 0, rows[group].with_columns(amount=20.0))
    asked = [(1001, end(0))]

    assert amounts(store, group.name, asked) == [20.0]
    assert amounts(store, group.name, asked, known_at=first.committed_at) == [10.0]
    assert amounts(store, group.name, asked, known_at=first.committed_at - MICROSECOND) == [None]


def test_a_backfilled_row_does_not_displace_a_newer_one(
    store: OfflineStore, baskets: OfflineTable
) -> None:
    newer = commit(baskets, 1, upsert_rows((1002, end(0), 40.0)))
    commit(baskets, 0, upsert_rows((1002, START, 30.0)))

    assert amounts(store, "last_basket", [(1002, end(0)), (1002, end(1))]) == [30.0, 40.0]
    assert amounts(
        store, "last_basket", [(1002, end(0)), (1002, end(1))], known_at=newer.committed_at
    ) == [None, 40.0]


def test_known_at_reads_under_the_ttl_of_that_time(
    store: OfflineStore, spend: OfflineTable
) -> None:
    before = commit(spend, 0, snapshot_rows(0, {1: 1.0}))
    longer = store.table(feature_table(replace(SPEND, ttl=9 * DAY)))
    commit(longer, 0, snapshot_rows(0, {1: 2.0}))
    asked = [(1, end(0) + 5 * DAY)]

    assert amounts(store, "spend", asked) == [2.0]
    assert amounts(store, "spend", asked, known_at=before.committed_at) == [None]


def test_a_feature_that_was_added_later_was_null_before(
    store: OfflineStore, spend: OfflineTable
) -> None:
    before = commit(spend, 0, snapshot_rows(0, {1: 1.0}))
    visits = FeatureSpec("visits", DType.INT64, nullable=True)
    wider = store.table(feature_table(replace(SPEND, features=(*SPEND.features, visits))))
    commit(wider, 1, snapshot_rows(1, {1: 1.0}).with_columns(visits=pl.lit(4, pl.Int64)))
    asked = spine((1, end(0)), (1, end(1)))

    now, _ = training_frame(asked, ["spend:visits"], store)
    then, _ = training_frame(asked, ["spend:visits"], store, known_at=before.committed_at)

    assert now["spend__visits"].to_list() == [None, 4]
    assert then["spend__visits"].to_list() == [None, None]
    assert then.schema["spend__visits"] == pl.Int64


# ---- the spine ----


def test_rows_come_back_in_order_with_their_own_columns_first(
    store: OfflineStore, spend: OfflineTable, baskets: OfflineTable
) -> None:
    commit(spend, 0, snapshot_rows(0, {1: 1.0, 2: 2.0}))
    commit(baskets, 0, upsert_rows((2, START, 5.0)))
    asked = spine((2, end(0)), (9, end(0)), (1, end(0)), (2, end(0))).with_columns(
        label=pl.Series([True, False, None, True])
    )

    frame, _ = training_frame(asked, ["last_basket:amount", "spend"], store)

    assert frame.rows() == [
        (2, end(0), True, 5.0, 2.0, None),
        (9, end(0), False, None, None, None),
        (1, end(0), None, None, 1.0, None),
        (2, end(0), True, 5.0, 2.0, None),
    ]
    assert frame.columns[3:] == ["last_basket__amount", "spend__amount", "spend__store"]


@pytest.mark.parametrize("group", ["spend", "last_basket"])
def test_of_a_null_key_or_time_nothing_is_known(
    store: OfflineStore, spend: OfflineTable, baskets: OfflineTable, group: str
) -> None:
    commit(spend, 0, snapshot_rows(0, {1: 1.0}))
    commit(baskets, 0, upsert_rows((1, START, 1.0)))

    assert amounts(store, group, [(None, end(0)), (1, None), (1, end(0))]) == [None, None, 1.0]


@pytest.mark.parametrize("group", ["spend", "last_basket"])
def test_an_empty_spine_gives_an_empty_frame(
    store: OfflineStore, spend: OfflineTable, baskets: OfflineTable, group: str
) -> None:
    commit(spend, 0, snapshot_rows(0, {1: 1.0}))
    commit(baskets, 0, upsert_rows((1, START, 1.0)))

    frame, receipt = training_frame(spine(), [group], store)

    assert frame.height == receipt.rows == 0
    assert frame.schema[f"{group}__amount"] == pl.Float64


KEYS = {
    "product": (DType.STRING, ["a", "ä", ""]),
    "day": (DType.DATE, [date(2018, 1, 1), date(1969, 12, 31), date(2018, 1, 2)]),
    "tag": (DType.BYTES, [b"", b"\x00", b"}"]),
    "store": (DType.INT32, [-1, 0, 2**31 - 1]),
}


@pytest.mark.parametrize("online", [Online.SNAPSHOT, Online.UPSERT, None])
def test_composite_keys_of_every_type_are_matched_as_a_whole(
    store: OfflineStore, online: Online | None
) -> None:
    entity = EntitySpec("all", tuple(JoinKey(name, dtype) for name, (dtype, _) in KEYS.items()))
    features = (FeatureSpec("number", DType.INT64),)
    group = replace(SPEND, name="wide", entity=entity, features=features, online=online)
    table = store.table(feature_table(group, buckets=3))
    at = START if online is Online.UPSERT else end(0)
    keys = pl.DataFrame({name: values for name, (_, values) in KEYS.items()})
    rows = keys.with_columns(
        pl.lit(at, UTC_US).alias("event_timestamp"), number=pl.Series([1, 2, 3])
    )
    commit(table, 0, rows.cast(table.spec.schema))
    mixed = keys.with_columns(pl.col("store").reverse()).with_columns(event_timestamp=end(0))
    asked = pl.concat([mixed, keys.with_columns(event_timestamp=end(0))])

    frame, _ = training_frame(
        asked.cast({"event_timestamp": UTC_US, "store": pl.Int32}), ["wide:number"], store
    )

    assert frame["wide__number"].to_list() == [None, 2, None, 1, 2, 3]


def test_hourly_partitions_are_known_hour_by_hour(store: OfflineStore) -> None:
    table = store.table(feature_table(replace(LAST_BASKET, partitions="HOURLY")))
    at = START + timedelta(minutes=30)
    table.commit(
        HOURLY.key(at),
        upsert_rows((1, at, 1.0)),
        identity="i",
        run_id="r",
        code_version="c",
        verdicts={},
    )

    known = amounts(
        store, "last_basket", [(1, START + timedelta(minutes=59)), (1, START + timedelta(hours=1))]
    )

    assert known == [None, 1.0]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (lambda spine: spine.drop("event_timestamp"), "and is missing; add the column"),
        (
            lambda spine: spine.cast({"event_timestamp": pl.String}),
            'is String; convert it with str.to_datetime(time_zone="UTC", time_unit="us")',
        ),
        (
            lambda spine: spine.cast({"event_timestamp": pl.Date}),
            'is Date; convert it with cast(pl.Datetime("us", "UTC"))',
        ),
        (
            lambda spine: spine.with_columns(pl.col("event_timestamp").dt.replace_time_zone(None)),
            "is Datetime(time_unit='us', time_zone=None)",
        ),
        (
            lambda spine: spine.with_columns(
                pl.col("event_timestamp").dt.convert_time_zone("Europe/Berlin")
            ),
            "time_zone='Europe/Berlin'",
        ),
        (
            lambda spine: spine.with_columns(pl.col("event_timestamp").dt.cast_time_unit("ms")),
            "is Datetime(time_unit='ms'",
        ),
        (lambda spine: spine.drop("household_id"), "spend@1 needs it as Int64; it is missing"),
        (lambda spine: spine.cast({"household_id": pl.Int32}), "it is Int32; add the join key"),
        (lambda spine: spine.with_columns(spend__amount=1), "a feature's column bears that name"),
    ],
)
def test_a_spine_that_does_not_fit_is_refused_with_what_to_do(
    store: OfflineStore,
    spend: OfflineTable,
    changed: Callable[[pl.DataFrame], pl.DataFrame],
    said: str,
) -> None:
    commit(spend, 0, snapshot_rows(0, {1: 1.0}))

    with pytest.raises(InvalidArgumentError) as refusal:
        training_frame(changed(spine((1, end(0)))), ["spend:amount"], store)

    assert said in str(refusal.value)


# ---- the features asked ----


def test_an_unknown_name_is_answered_with_the_nearest(
    store: OfflineStore, spend: OfflineTable
) -> None:
    commit(spend, 0, snapshot_rows(0, {1: 1.0}))
    expected = {
        "spent:amount": "no feature group 'spent'; did you mean 'spend'?",
        "spend:amont": "no feature of spend@1 'amont'; did you mean 'amount'?",
        "spend@2:amount": "no version of a feature group 'spend@2'; did you mean 'spend@1'?",
    }

    for reference, said in expected.items():
        with pytest.raises(UnknownNameError) as refusal:
            training_frame(spine((1, end(0))), [reference], store)
        assert said in str(refusal.value)


@pytest.mark.parametrize(
    ("features", "error"),
    [
        ([], InvalidArgumentError),
        (["spend:"], InvalidFeatureReferenceError),
        (["spend@1:amount", "spend@2:amount"], InvalidArgumentError),
    ],
)
def test_what_cannot_become_columns_is_refused(
    store: OfflineStore, spend: OfflineTable, features: list[str], error: type[Exception]
) -> None:
    commit(spend, 0, snapshot_rows(0, {1: 1.0}))
    second = store.table(feature_table(replace(SPEND, version=2)))
    commit(second, 0, snapshot_rows(0, {1: 1.0}))

    with pytest.raises(error):
        training_frame(spine((1, end(0))), features, store)


def test_without_a_version_the_live_one_is_read(store: OfflineStore, spend: OfflineTable) -> None:
    commit(spend, 0, snapshot_rows(0, {1: 1.0}))
    second = store.table(feature_table(replace(SPEND, version=2)))
    commit(second, 0, snapshot_rows(0, {1: 2.0}))
    asked = [(1, end(0))]

    never_published = amounts(store, "spend", asked)
    CatalogueTable(store).go_live("default", {"spend": 1})
    elsewhere = OfflineStore(store.root, namespace="elsewhere")

    assert never_published == [2.0]
    assert amounts(store, "spend", asked) == [1.0]
    assert amounts(elsewhere, "spend", asked) == [2.0]


def test_known_at_needs_a_time_zone(store: OfflineStore, spend: OfflineTable) -> None:
    commit(spend, 0, snapshot_rows(0, {1: 1.0}))

    for instant in (datetime(2018, 1, 1), "2018-01-01T00:00:00Z"):  # noqa: DTZ001
        with pytest.raises(InvalidArgumentError, match="no datetime with a time zone"):
            training_frame(spine(), ["spend"], store, known_at=instant)  # type: ignore[arg-type]


def test_a_spine_is_a_frame(store: OfflineStore, spend: OfflineTable) -> None:
    commit(spend, 0, snapshot_rows(0, {1: 1.0}))

    for other in (spine().lazy(), spine().to_arrow()):
        with pytest.raises(InvalidArgumentError, match="not a polars DataFrame"):
            training_frame(other, ["spend"], store)  # type: ignore[arg-type]
