"""A feature that was added in place, while rows of both schemas are served."""

from dataclasses import replace
from pathlib import Path

import pytest

from headrace.contract.clock import Clock
from headrace.contract.feature_group import DType, FeatureSpec, Online
from headrace.contract.status import Status
from headrace.resources.online.publisher import publish_partition
from headrace.resources.online.rebuild import rebuild_group
from headrace.serving.client import FeatureClient
from headrace.tests.resources.online.publishing import SPEND, Stage, day, group_of, stage_of
from headrace.tests.serving.running import served, settings

pytestmark = pytest.mark.server

BASKETS = FeatureSpec("baskets", DType.INT64, nullable=True)
STORE = FeatureSpec("store", DType.STRING, nullable=True)
PRESENT, NULL, NOT_FOUND = Status.PRESENT, Status.NULL, Status.NOT_FOUND


def wider(stage: Stage, *features: FeatureSpec) -> Stage:
    return Stage(replace(stage.group, features=(SPEND, *features)), stage.online, stage.offline)


def answers(client: FeatureClient, *features: str) -> list[list[tuple[object, Status]]]:
    got = client.get_online_features(
        features=[f"household_spend:{name}" for name in features],
        entities={"household_id": [1, 2, 3]},
    )
    rows = [[row[name] for name in got.feature_names] for row in got.to_dicts()]
    return [
        [(value, Status(number)) for value, number in zip(values, numbers, strict=True)]
        for values, numbers in zip(rows, got.statuses.tolist(), strict=True)
    ]


def test_what_is_not_filled_yet_is_null_by_the_rows_own_schema(
    valkey_url: str, tmp_path: Path
) -> None:
    """One client stays connected through two additions, and a rebuild of it all."""
    first = stage_of(group_of(Online.UPSERT), valkey_url, tmp_path)
    chosen = settings(valkey_url, namespace="test", clock=lambda: Clock(day(4)))
    with served(chosen) as address, FeatureClient(address) as client:
        first.commit(1, [(1, 9, 1.0), (2, 9, 1.0)])
        first.publish(1)
        assert answers(client, "spend") == [[(1.0, PRESENT)]] * 2 + [[(None, NOT_FOUND)]]

        second = wider(first, BASKETS)
        second.commit(2, [(2, 9, 2.0, 20)])
        second.publish(2)
        half = answers(client, "spend", "baskets")
        third = wider(first, BASKETS, STORE)
        third.commit(3, [(3, 9, 3.0, None, "east")])
        third.publish(3)
        mixed = answers(client, "store", "baskets", "spend")
        reported = third.verify()
        rebuild_group(third.group, third.table, online=third.online, registry=third.registry)
        rebuilt = answers(client, "store", "baskets", "spend")

    assert half == [
        [(1.0, PRESENT), (None, NULL)],
        [(2.0, PRESENT), (20, PRESENT)],
        [(None, NOT_FOUND)] * 2,
    ]
    assert mixed == [
        [(None, NULL), (None, NULL), (1.0, PRESENT)],
        [(None, NULL), (20, PRESENT), (2.0, PRESENT)],
        [("east", PRESENT), (None, NULL), (3.0, PRESENT)],
    ]
    assert reported.is_clean
    assert rebuilt == mixed


def test_a_snapshot_that_is_half_written_under_a_new_schema_tells_its_rows_apart(
    valkey_url: str, tmp_path: Path
) -> None:
    first = stage_of(group_of(Online.SNAPSHOT), valkey_url, tmp_path)
    first.commit(1, [(1, 1.0), (2, 1.0)])
    first.publish(1)
    second = wider(first, BASKETS)
    second.commit(2, [(1, 2.0, 10), (2, 2.0, 20), (3, 2.0, 30)])
    publish_partition(
        second.group, second.table, "2017-01-01", online=second.online, registry=second.registry
    )
    chosen = settings(valkey_url, namespace="test", clock=lambda: Clock(day(3)))
    with served(chosen) as address, FeatureClient(address) as client:
        before = answers(client, "baskets")
        second.publish(2)
        after = answers(client, "baskets")

    assert before == [[(None, NULL)], [(None, NULL)], [(None, NOT_FOUND)]]
    assert after == [[(10, PRESENT)], [(20, PRESENT)], [(30, PRESENT)]]
