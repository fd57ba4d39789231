from datetime import datetime
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from headrace.assets.point_in_time import OfflineStore, training_frame
from headrace.contract.errors import InvalidArgumentError
from headrace.resources.offline.offline_table import OfflineTable
from headrace.resources.offline.table_spec import feature_table
from headrace.tests.assets.visits import make_world, midnight
from headrace.tests.resources.offline.tables import SPEND, commit, end, snapshot_rows

UTC_US = pl.Datetime("us", "UTC")


@pytest.fixture
def store(tmp_path: Path) -> OfflineStore:
    return OfflineStore(str(tmp_path))


@pytest.fixture
def spend(store: OfflineStore) -> OfflineTable:
    return store.table(feature_table(SPEND))


def spine(*rows: tuple[int, datetime]) -> pl.DataFrame:
    schema = {"household_id": pl.Int64(), "event_timestamp": UTC_US}
    return pl.DataFrame(list(rows), schema=schema, orient="row")


@pytest.mark.parametrize(
    "features", [["spend:store", "spend"], ["spend@1:amount", "spend:amount"], ["spend", "spend"]]
)
def test_a_feature_asked_twice_is_refused_as_the_client_refuses_it(
    store: OfflineStore, spend: OfflineTable, features: list[str]
) -> None:
    commit(spend, 0, snapshot_rows(0, {1: 1.0}))

    with pytest.raises(InvalidArgumentError, match="is asked for twice"):
        training_frame(spine((1, end(0))), features, store)


def test_declared_features_groups_and_services_are_asked_for_as_they_are(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    world.read_inputs()
    world.materialize(world.week)
    world.materialize(world.last)
    store = world.deployment.offline
    asked = pl.DataFrame({"visitor": [1], "event_timestamp": [midnight("2024-01-10")]}).cast(
        {"event_timestamp": UTC_US}
    )
    columns = ["visitor_week__visits_7d", "visitor_last__page"]

    by_service, receipt = training_frame(asked, world.service, store)
    declared, same = training_frame(asked, [world.week["visits_7d"], world.last], store)
    written, _ = training_frame(asked, ["visitor_week:visits_7d", "visitor_last"], store)
    alone, _ = training_frame(asked, world.week["visits_7d"].pin(), store)

    assert by_service.columns[2:] == columns
    assert_frame_equal(declared, by_service)
    assert_frame_equal(written, by_service)
    assert same == receipt
    assert alone.columns[2:] == columns[:1]


def test_what_declares_no_features_is_refused(store: OfflineStore) -> None:
    with pytest.raises(InvalidArgumentError, match="7 is no feature; give group:feature"):
        training_frame(spine(), [7], store)  # type: ignore[list-item]  # what a user may pass
