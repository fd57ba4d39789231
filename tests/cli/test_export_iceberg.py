import subprocess
import sys
from pathlib import Path

import pytest

from headrace.tests.e2e.homes import ShopHome, shop_home
from headrace.tests.object_store import SECRET_KEY, ObjectStore

DAYS = ("--partitions", "2024-01-01..2024-01-03")


@pytest.fixture
def shop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> ShopHome:
    monkeypatch.setenv("HOME", str(tmp_path))  # where pyiceberg looks for a configuration
    return shop_home(tmp_path, monkeypatch, capsys)


def test_an_export_says_what_the_table_shows_and_what_changed(shop: ShopHome) -> None:
    shop.headrace("materialize", "customer_spend", *DAYS, "--offline-only")

    first = shop.headrace("export-iceberg", "customer_spend")
    again = shop.headrace("export-iceberg", "customer_spend", "--json")

    assert first.out == (
        "headrace.customer_spend shows version 1: 6 rows; 3 files added, 0 removed\n"
    )
    assert (again.json["table"], again.json["no_op"]) == ("headrace.customer_spend", True)
    assert (again.json["table_version"], again.json["rows"], again.json["files"]) == (1, 6, 3)
    assert Path(again.json["metadata"].removeprefix("file://")).exists()


def test_a_group_without_commits_is_named(shop: ShopHome) -> None:
    answer = shop.headrace("export-iceberg", "customer_spend")

    assert answer.status == 1
    assert "materialize offline/customer_spend first" in answer.err


def test_the_missing_extra_is_named() -> None:
    program = (
        "import sys; sys.modules['pyiceberg'] = None;"
        "from headrace.cli.application import run; sys.exit(run(['export-iceberg', 'g']))"
    )

    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    assert ended.returncode == 2
    assert ended.stderr.startswith("headrace: this command needs pyiceberg")
    assert ended.stderr.endswith(": pip install 'headrace[iceberg]'\n")
    assert ended.stderr.count("\n") == 1


@pytest.mark.server
def test_a_home_whose_history_lies_on_s3_works_like_any_other(
    shop: ShopHome, object_store: ObjectStore
) -> None:
    """Materialize, publish, join, export, status: all through the usual variables."""
    import polars as pl  # noqa: PLC0415

    for name, value in object_store.variables.items():
        shop.monkeypatch.setenv(name, value)
    shop.monkeypatch.setenv("HEADRACE_OFFLINE", object_store.root)
    spine, out = shop.folder / "spine.parquet", shop.folder / "out.parquet"
    pl.DataFrame(
        {"customer_id": [1, 2], "event_timestamp": ["2024-01-03T00:00:00Z"] * 2}
    ).with_columns(
        pl.col("event_timestamp").str.to_datetime(time_unit="us", time_zone="UTC")
    ).write_parquet(spine)

    made = shop.headrace("materialize", "customer_spend", *DAYS)
    files = ("--spine", str(spine), "--out", str(out))
    joined = shop.headrace("training-set", *files, "--features", "customer_spend:spend_2d")
    exported = shop.headrace("export-iceberg", "customer_spend", "--json")
    status = shop.headrace("status", "--json")

    answers = [made, joined, exported, status]
    assert [answer.status for answer in answers] == [0, 0, 0, 0], [each.err for each in answers]
    assert pl.read_parquet(out)["customer_spend__spend_2d"].to_list() == [15.0, 4.0]
    assert (exported.json["rows"], exported.json["files"]) == (6, 3)
    spend = next(
        group for group in status.json["feature_groups"] if group["name"] == "customer_spend"
    )
    assert (spend["committed"], spend["published_partition"]) == (3, "2024-01-03")
    assert not (shop.environment.home / "offline").exists()
    assert not any(SECRET_KEY in answer.out + answer.err for answer in answers)


@pytest.mark.server
@pytest.mark.parametrize("command", ["up", "demo"])
def test_an_unsafe_store_is_refused_before_anything_starts(
    shop: ShopHome, unsafe_object_store: ObjectStore, command: str
) -> None:
    for name, value in unsafe_object_store.variables.items():
        shop.monkeypatch.setenv(name, value)
    shop.monkeypatch.setenv("HEADRACE_OFFLINE", unsafe_object_store.root)

    answer = shop.headrace(command, "--bind", "127.0.0.1:0", "--dagster", "127.0.0.1:0")

    assert answer.status == 3
    assert f"the offline store at {unsafe_object_store.root} would lose commits" in answer.err
    assert not (shop.environment.home / "valkey").exists()
    assert unsafe_object_store.keys() == []
