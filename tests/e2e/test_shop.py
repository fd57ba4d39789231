"""A small project from its CSV file to a model's lookup: real Delta, real Valkey, real server."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
import redis

from headrace.contract.clock import move_clock
from headrace.resources.online.local_valkey import LocalValkey
from headrace.tests.e2e.homes import ORDERS, ShopHome, cells, shop_home

pytestmark = pytest.mark.server

SPEND = "customer_spend:spend_2d"
PATIENCE_SECONDS = 60.0


@pytest.fixture
def shop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> ShopHome:
    return shop_home(tmp_path, monkeypatch, capsys)


def test_from_a_csv_file_to_a_lookup_and_back_to_training(shop: ShopHome) -> None:
    with LocalValkey(shop.environment), _server() as server:
        made = shop.headrace(
            "materialize", "customer_spend", "--partitions", "2024-01-01..2024-01-03", "--json"
        )
        found = shop.headrace(
            *("lookup", "customer_spend", "--json", "--server", server),
            *("customer_id=1", "customer_id=3", "customer_id=7"),
        )
        verified = shop.headrace("verify", "customer_spend", "--json")

    assert (made.status, found.status, verified.status) == (0, 0, 0)
    assert [each["rows"] for each in made.json["partitions"]] == [1, 2, 3]
    assert cells(found, "customer_spend__spend_2d") == [
        (12.5, "PRESENT"),
        (0.0, "PRESENT"),
        (None, "NOT_FOUND"),
    ]
    assert cells(found, "customer_spend__mean_order_2d") == [
        (6.25, "PRESENT"),
        (None, "NULL"),
        (None, "NOT_FOUND"),
    ]
    (spend,) = verified.json["groups"]
    assert (spend["equal"], spend["is_clean"]) == (3, True)
    frame = _training(shop, [1, 3, 7], datetime(2024, 1, 4, tzinfo=UTC))
    assert frame["customer_spend__spend_2d"].to_list() == [12.5, 0.0, None]
    assert frame["customer_spend__mean_order_2d"].to_list() == [6.25, None, None]


def test_a_lookup_names_the_commit_it_was_read_from(shop: ShopHome) -> None:
    materialize = ("materialize", "customer_last_order", "--partitions")
    shop.headrace(*materialize, "2024-01-01")
    made = shop.headrace(*materialize, "2024-01-02..2024-01-03", "--json")

    found = shop.headrace("lookup", "customer_last_order:amount", "customer_id=2", "--json")

    assert found.json == {
        "entities": [
            {
                "customer_id": 2,
                "features": {
                    "customer_last_order__amount": {
                        "value": 4.0,
                        "status": "PRESENT",
                        "event_timestamp": "2024-01-02T11:00:00Z",
                        "age_seconds": 37 * 3600,
                        "table_version": made.json["partitions"][0]["table_version"],
                        "generation": 1,
                    }
                },
            }
        ]
    }


def test_a_row_older_than_its_ttl_is_stale_online_and_null_in_training(shop: ShopHome) -> None:
    shop.headrace("materialize", "customer_spend", "--partitions", "2024-01-03")
    later = datetime(2024, 1, 5, 0, 0, 1, tzinfo=UTC)
    shop.monkeypatch.delenv("HEADRACE_CLOCK")
    move_clock(shop.environment.home, later)

    hidden = shop.headrace("lookup", SPEND, "customer_id=1", "--json")
    kept = shop.headrace("lookup", SPEND, "customer_id=1", "--stale", "keep", "--json")

    assert cells(hidden, "customer_spend__spend_2d") == [(None, "STALE")]
    assert cells(kept, "customer_spend__spend_2d") == [(12.5, "STALE")]
    assert _training(shop, [1], later)["customer_spend__spend_2d"].to_list() == [None]


def test_a_killed_server_serves_at_once_when_it_is_started_again(shop: ShopHome) -> None:
    lookup = ("lookup", "shop_model", "customer_id=1", "--json")
    with LocalValkey(shop.environment):
        for group in ("customer_spend", "customer_last_order"):
            shop.headrace("materialize", group, "--partitions", "2024-01-03")
        with _server() as server:
            before = shop.headrace(*lookup, "--server", server)
        with _server() as server:
            after = shop.headrace(*lookup, "--server", server)

    assert after.status == 0
    assert after.json == before.json


def test_a_killed_valkey_comes_back_with_its_rows_when_somebody_needs_it(shop: ShopHome) -> None:
    shop.headrace("materialize", "customer_spend", "--partitions", "2024-01-03")
    with LocalValkey(shop.environment) as valkey, _server() as server:
        lookup = ("lookup", SPEND, "customer_id=1", "--json", "--server", server)
        os.kill(valkey.pid, signal.SIGKILL)
        without = shop.headrace(*lookup)
        verified = shop.headrace("verify", "customer_spend")
        again = shop.headrace(*lookup)
        until = time.monotonic() + PATIENCE_SECONDS  # the server looks for its store every 2 s
        while again.status != 0 and time.monotonic() < until:
            again = shop.headrace(*lookup)

    assert (without.status, without.out) == (3, "")
    assert "the feature server" in without.err
    assert verified.status == 0
    assert cells(again, "customer_spend__spend_2d") == [(12.5, "PRESENT")]


def test_verify_names_the_row_that_was_changed_behind_our_back(shop: ShopHome) -> None:
    shop.headrace("materialize", "customer_spend", "--partitions", "2024-01-03")
    with LocalValkey(shop.environment) as valkey, redis.Redis.from_url(valkey.url) as client:
        key = next(key for key in client.keys("{*") if key.endswith((1).to_bytes(8, "big")))
        row = client.get(key)
        assert isinstance(row, bytes)
        client.set(key, row[:-1] + bytes([row[-1] ^ 1]))

        found = shop.headrace("verify", "--json")
        changed = shop.headrace("verify", "customer_spend", "customer_id=1", "--json")
        other = shop.headrace("verify", "customer_spend", "customer_id=3", "--json")
        sampled = shop.headrace("verify", "customer_spend", "--sample", "2", "--json")
        unknown = shop.headrace("verify", "customer_spend", "customer=3")
        nobody = shop.headrace("verify", "customer_spend", "customer_id=987654")

    assert found.status == 1
    assert (changed.status, changed.json["groups"][0]["differing"]) == (1, 1)
    assert (other.status, other.json["groups"][0]["equal"]) == (0, 1)
    assert sampled.json["groups"][0]["sampled"]
    assert 0 < sampled.json["groups"][0]["consistency"]["high"] <= 1
    assert unknown.status == 2
    assert "write customer_id=VALUE" in unknown.err
    assert nobody.status == 0
    assert "customer_spend@1: the entity is in neither" in nobody.out
    assert "100.0000%" not in nobody.out
    assert not found.json["verified"]
    differences = [each for group in found.json["groups"] for each in group["differences"]]
    assert [(each["entity"], each["problem"]) for each in differences] == [
        ({"customer_id": 1}, "differing")
    ]


def test_a_flushed_store_is_filled_again_by_publish(shop: ShopHome) -> None:
    lookup = ("lookup", "shop_model", "customer_id=1", "customer_id=2", "--json")
    for group in ("customer_spend", "customer_last_order"):
        shop.headrace("materialize", group, "--partitions", "2024-01-01..2024-01-03")
    before = shop.headrace(*lookup)
    with LocalValkey(shop.environment) as valkey, redis.Redis.from_url(valkey.url) as client:
        client.flushall()

        without = shop.headrace(*lookup)
        status = shop.headrace("status", "--json").json
        for group in ("customer_spend", "customer_last_order"):
            shop.headrace("publish", group)
        after = shop.headrace(*lookup)
        verified = shop.headrace("verify")

    assert (without.status, without.out) == (2, "")
    waiting = {each["name"]: each["unpublished_partitions"] for each in status["feature_groups"]}
    assert len(waiting["customer_last_order"]) == 3
    assert after.json == before.json
    assert verified.status == 0


def test_a_deleted_row_is_written_again_by_publish_repeat(shop: ShopHome) -> None:
    shop.headrace("materialize", "customer_spend", "--partitions", "2024-01-03")
    with LocalValkey(shop.environment) as valkey, redis.Redis.from_url(valkey.url) as client:
        client.delete(next(key for key in client.keys("{*") if key.endswith(b"\x01")))

        missing = shop.headrace("verify", "--json")
        shop.headrace("publish", "customer_spend")
        still = shop.headrace("verify")
        shop.headrace("publish", "customer_spend", "--repeat")
        verified = shop.headrace("verify")

    assert [group["missing"] for group in missing.json["groups"] if not group["is_clean"]] == [1]
    assert (missing.status, still.status, verified.status) == (1, 1, 0)


def test_a_bad_partition_is_named_and_the_good_ones_are_served(shop: ShopHome) -> None:
    shop.write_orders(ORDERS.replace("2,2024-01-02T11:00:00Z,4.0", "2,2024-01-02T11:00:00Z,-4.0"))

    made = shop.headrace("materialize", "customer_spend", "--partitions", "2024-01-01..2024-01-02")
    found = shop.headrace("lookup", SPEND, "customer_id=1", "--stale", "keep", "--json")

    assert made.status == 1
    assert made.out.splitlines() == [
        "customer_spend: 1 of 2 partitions committed, 1 row",
        "1 partition published (1 row written)",
    ]
    assert made.err.startswith("headrace: offline/customer_spend, partition 2024-01-02: ")
    assert "spend_2d" in made.err
    assert cells(found, "customer_spend__spend_2d") == [(5.0, "STALE")]


def test_what_is_materialized_offline_only_waits_for_publish(shop: ShopHome) -> None:
    made = shop.headrace(
        "materialize", "customer_spend", "--partitions", "2024-01-03", "--offline-only", "--json"
    )
    verified = shop.headrace("verify", "customer_spend", "--json")
    published = shop.headrace("publish", "customer_spend", "--json")
    repeated = shop.headrace("publish", "customer_spend")
    found = shop.headrace("lookup", SPEND, "customer_id=1", "--json")

    assert [each["publish"] for each in made.json["partitions"]] == ["deferred"]
    assert verified.json["groups"][0]["equal"] == 0
    assert [each["rows_written"] for each in published.json["publications"]] == [3]
    assert repeated.out.endswith("1 published before\n")
    assert cells(found, "customer_spend__spend_2d") == [(12.5, "PRESENT")]


def _training(shop: ShopHome, customers: list[int], at: datetime) -> pl.DataFrame:
    """What `training-set` writes for customers at one instant."""
    spine, out = shop.folder / "spine.parquet", shop.folder / "training.parquet"
    pl.DataFrame(
        {"customer_id": customers, "event_timestamp": [at] * len(customers)},
        schema_overrides={"event_timestamp": pl.Datetime("us", "UTC")},
    ).write_parquet(spine)
    files = ("--spine", str(spine), "--out", str(out), "--receipt", f"{out}.json")
    made = shop.headrace("training-set", *files, "--features", "customer_spend")
    assert made.status == 0, made.err
    return pl.read_parquet(out)


@contextmanager
def _server() -> Iterator[str]:
    """A feature server in a process of its own, killed at the end; its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "headrace.serving", "--bind", "127.0.0.1:0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().split()[-1]
    finally:
        process.kill()
        process.communicate()
