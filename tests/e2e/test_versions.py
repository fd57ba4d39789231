"""Versions and rebuilds from the command line, beside a running server."""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from shutil import copytree, ignore_patterns

import polars as pl
import pytest
import redis

from headrace.assets.point_in_time import OfflineStore, training_frame
from headrace.cli.application import run
from headrace.contract.clock import Clock
from headrace.resources.online.local_valkey import LocalValkey
from headrace.serving.client import FeatureClient
from headrace.tests.e2e.homes import PACKAGE, ShopHome, shop_home
from headrace.tests.serving.running import served, settings
from headrace.tests.valkey import environment_of

pytestmark = pytest.mark.server

SPEND = "customer_spend:spend_2d"
PACKAGES = f"{PACKAGE} headrace.tests.e2e.shop_again"
GROUPS = ("customer_spend@1", "customer_spend@2", "customer_last_order")


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a shop with two versions of a group and another group, all published.

    Version 1 is live. Tests work on copies: computing takes most of the time.
    """
    folder = tmp_path_factory.mktemp("published")
    with pytest.MonkeyPatch.context() as patch:
        shop_home(folder, patch)
        patch.setenv("HEADRACE_PACKAGES", PACKAGES)
        for group in GROUPS:
            assert run(["materialize", group, "--partitions", "2024-01-01..2024-01-03"]) == 0
    return folder


@pytest.fixture
def shop(
    published: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[ShopHome]:
    """A copy of it, with its online store running."""
    home = shop_home(tmp_path, monkeypatch, capsys)
    monkeypatch.setenv("HEADRACE_PACKAGES", PACKAGES)
    copytree(published / "home", tmp_path / "home", ignore=ignore_patterns("*.sock"))
    with LocalValkey(home.environment):
        yield home


@pytest.fixture
def client(shop: ShopHome) -> Iterator[FeatureClient]:
    """A client of a server that re-reads the catalogue as often as one that is not told how."""
    clock = shop.environment.clock()
    chosen = settings(
        shop.environment.redis_url,
        clock=lambda: Clock(clock.now()),
        refresh_every=timedelta(seconds=1),
    )
    with served(chosen) as address, FeatureClient(address) as client:
        yield client


def spends(client: FeatureClient) -> list[object]:
    got = client.get_online_features(features=[SPEND], entities={"customer_id": [1, 7]})
    return [row["customer_spend__spend_2d"] for row in got.to_dicts()]


def statuses(client: FeatureClient) -> list[list[int]]:
    got = client.get_online_features(
        feature_service="shop_model", entities={"customer_id": [1, 2, 3, 7]}
    )
    return got.statuses.tolist()  # type: ignore[no-any-return]  # numpy cannot say how deep


def seconds_until(holds: Callable[[], bool]) -> float:
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < 30
    return time.monotonic() - began


def trained(shop: ShopHome) -> list[object]:
    spine = pl.DataFrame(
        {"customer_id": [1], "event_timestamp": [shop.environment.clock().now()]},
        schema_overrides={"event_timestamp": pl.Datetime("us", "UTC")},
    )
    frame, _ = training_frame(
        spine, features=[SPEND], store=OfflineStore.from_env(shop.environment)
    )
    return frame["customer_spend__spend_2d"].to_list()


def test_a_promotion_is_seen_within_a_second_and_so_is_its_rollback(
    shop: ShopHome, client: FeatureClient
) -> None:
    before = (spends(client), trained(shop))

    promoted = shop.headrace("promote", "customer_spend@2", "--json")
    waited = seconds_until(lambda: spends(client) == [1250.0, None])
    between = trained(shop)
    back = shop.headrace("rollback", "customer_spend", "--json")
    waited_again = seconds_until(lambda: spends(client) == [12.5, None])

    assert before == ([12.5, None], [12.5])
    assert promoted.json == {"live": {"customer_spend": 2}, "before": {"customer_spend": 1}}
    assert back.json == {"live": {"customer_spend": 1}}
    assert between == [1250.0]
    assert trained(shop) == [12.5]
    assert max(waited, waited_again) < 1.5  # a second, and what the machine takes on top


def test_a_dropped_version_is_gone_and_stays_gone(shop: ShopHome, client: FeatureClient) -> None:
    refused = shop.headrace("drop", "customer_spend@1")
    shop.headrace("promote", "customer_spend@2")

    dropped = shop.headrace("drop", "customer_spend@1", "--json")
    published = shop.headrace("publish", "customer_spend@1")
    shop.headrace("publish", "customer_last_order")
    rollback = shop.headrace("rollback", "customer_spend")
    collected = shop.headrace("collect", "--json")

    assert (refused.status, "it is live" in refused.err) == (1, True)
    assert dropped.json == {"group": "customer_spend@1", "rows": 3, "unreadable": 0}
    assert (published.status, "was dropped" in published.err) == (1, True)
    assert (rollback.status, "no other version" in rollback.err) == (1, True)
    assert (collected.json["finished"], collected.json["dropped"]) == (True, 0)
    seconds_until(lambda: spends(client) == [1250.0, None])
    assert [group.version for group in client.list_feature_groups()] == [1, 2]
    assert shop.headrace("verify").status == 0
    assert shop.headrace("rebuild").status == 0


def test_a_flushed_store_is_noticed_and_rebuilt(shop: ShopHome, client: FeatureClient) -> None:
    before = statuses(client)
    with redis.Redis.from_url(shop.environment.redis_url) as store:
        store.flushall()

    lost, status = statuses(client), shop.headrace("status", "--json").json
    verified = shop.headrace("verify")
    rebuilt = shop.headrace("rebuild", "--json")

    assert lost == [[4] * 3] * 4
    ours = [group for group in status["feature_groups"] if group["name"].startswith("customer")]
    assert [group["complete"] for group in ours] == [False, False, False]
    assert [len(group["unpublished_partitions"]) for group in ours] == [3, 3, 3]
    assert verified.status == 1
    assert rebuilt.status == 0
    assert rebuilt.json["verified"]
    assert [each["rows"] for each in rebuilt.json["rebuilt"]] == [3, 3, 3]
    assert statuses(client) == before
    assert before == [[0, 0, 0], [0, 0, 0], [0, 1, 0], [3, 3, 3]]


def test_a_second_store_is_filled_and_switched_to(shop: ShopHome, tmp_path: Path) -> None:
    second = environment_of(tmp_path / "second")
    with LocalValkey(second):
        rebuilt = shop.headrace("rebuild", "--redis", second.redis_url, "--json")
        shop.monkeypatch.setenv("HEADRACE_REDIS", second.redis_url)
        found = shop.headrace("lookup", SPEND, "customer_id=1", "--json")
        verified = shop.headrace("verify")
        repeated = shop.headrace("publish", "customer_last_order", "--json")

    assert (rebuilt.status, rebuilt.json["verified"]) == (0, True)
    features = found.json["entities"][0]["features"]
    assert features["customer_spend__spend_2d"]["value"] == 12.5
    assert verified.status == 0
    assert all(each["already_published"] for each in repeated.json["publications"])


def test_what_was_asked_wrongly_is_told(shop: ShopHome) -> None:
    unversioned = shop.headrace("promote", "customer_spend")
    both = shop.headrace("promote", "customer_spend@1", "customer_spend@2")
    unknown = shop.headrace("rollback", "customer_spent")

    assert [each.status for each in (unversioned, both, unknown)] == [2, 2, 2]
    assert "write GROUP@VERSION" in unversioned.err
    assert "did you mean 'customer_spend'" in unknown.err
