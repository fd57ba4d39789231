"""`headrace training-set` and `headrace replay`, on tables that were committed without Dagster."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from headrace.assets.point_in_time import OfflineStore
from headrace.resources.offline.receipt_store import ReceiptStore
from headrace.resources.offline.table_spec import feature_table
from headrace.tests.e2e.homes import Answer, ShopHome, shop_home
from headrace.tests.resources.offline.tables import SPEND, commit, end, snapshot_rows


@pytest.fixture
def shop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> ShopHome:
    shop = shop_home(tmp_path, monkeypatch, capsys)
    for number in range(2):
        correct(shop, number, {1: 1.0 + number, 2: 2.0})
    pl.DataFrame(
        {
            "household_id": [2, 1, 3],
            "event_timestamp": [end(1), end(0), end(1)],
            "label": [1, 2, 3],
        },
        schema_overrides={"event_timestamp": pl.Datetime("us", "UTC")},
    ).write_parquet(tmp_path / "spine.parquet")
    return shop


def offline(shop: ShopHome) -> OfflineStore:
    return OfflineStore.from_env(shop.environment)


def correct(shop: ShopHome, number: int, amounts: dict[int, float]) -> None:
    table = offline(shop).table(feature_table(SPEND))
    table.exists()  # reads the log, by whose length `commit` tells computations apart
    commit(table, number, snapshot_rows(number, amounts))


def made(shop: ShopHome, *options: str, out: str = "set.parquet") -> Answer:
    files = ("--spine", str(shop.folder / "spine.parquet"), "--out", str(shop.folder / out))
    return shop.headrace("training-set", *files, "--features", "spend:amount", *options)


def replayed(shop: ShopHome, receipt: str, *options: str, out: str = "again.parquet") -> Answer:
    return shop.headrace("replay", receipt, "--out", str(shop.folder / out), *options)


def test_a_set_is_made_and_made_again_after_corrections(shop: ShopHome) -> None:
    file = str(shop.folder / "receipt.json")
    answer = made(shop, "--receipt", file, "--json")
    correct(shop, 1, {2: 70.0})

    by_file, by_id = replayed(shop, file), replayed(shop, answer.json["receipt"], "--json")

    frame = pl.read_parquet(shop.folder / "set.parquet")
    assert frame["spend__amount"].to_list() == [2.0, 1.0, None]
    assert answer.json == {
        "rows": 3,
        "columns": ["household_id", "event_timestamp", "label", "spend__amount"],
        "out": str(shop.folder / "set.parquet"),
        "receipt": json.loads(Path(file).read_text())["id"],
        "content_hash": by_id.json["content_hash"],
    }
    assert (by_file.status, by_file.err) == (0, "")
    assert by_file.out.startswith(f"3 rows of 4 columns in {shop.folder / 'again.parquet'}")
    assert_frame_equal(pl.read_parquet(shop.folder / "again.parquet"), frame)
    assert Path(file).read_text().strip() == ReceiptStore(offline(shop)).read(
        answer.json["receipt"]
    )


def test_a_folder_is_made_and_made_again_in_parts(shop: ShopHome) -> None:
    answer = made(shop, "--rows-per-part", "2", "--json", out="set")

    again = replayed(shop, answer.json["receipt"], out="again")

    assert again.status == 0
    for folder in ("set", "again"):
        names = [path.name for path in sorted((shop.folder / folder).iterdir())]
        assert names == ["part-00000.parquet", "part-00001.parquet"]
    frames = [pl.read_parquet(shop.folder / folder) for folder in ("set", "again")]
    assert_frame_equal(*frames)


def test_what_is_gone_is_said_in_one_line(shop: ShopHome) -> None:
    receipt = made(shop, "--json").json["receipt"]
    table = Path(offline(shop).table(feature_table(SPEND)).uri)
    for file in table.rglob("*.parquet"):
        file.unlink()

    vacuumed = replayed(shop, receipt)
    shutil.rmtree(table)
    dropped = replayed(shop, receipt)
    shutil.rmtree(Path(offline(shop).root) / "receipts" / "spines")
    other = replayed(shop, receipt, "--spine", str(shop.folder / "set.parquet"))

    assert vacuumed.err == (
        "headrace: version 2 of the table of spend@1 is gone: 2 of its 2 files were removed\n"
    )
    assert dropped.err == (
        "headrace: version 2 of the table of spend@1 is gone: the table was dropped\n"
    )
    assert (vacuumed.status, dropped.status, other.status) == (1, 1, 1)
    assert not (shop.folder / "again.parquet").exists()


def test_a_damaged_file_is_said_in_one_line(shop: ShopHome) -> None:
    table = offline(shop).table(feature_table(SPEND))
    for file in Path(table.uri).rglob("*.parquet"):
        file.write_bytes(file.read_bytes()[:100])

    answer = made(shop)

    assert (answer.status, answer.err.count("\n")) == (3, 1)
    assert f"the store at {offline(shop).root} is unavailable: " in answer.err


def test_a_spine_by_hand_is_held_against_the_receipt(shop: ShopHome) -> None:
    receipt = made(shop, "--json").json["receipt"]
    shutil.rmtree(Path(offline(shop).root) / "receipts" / "spines")
    spine = shop.folder / "spine.parquet"
    wrong = shop.folder / "wrong.parquet"
    pl.read_parquet(spine).with_columns(label=7).write_parquet(wrong)

    absent = replayed(shop, receipt)
    differing = replayed(shop, receipt, "--spine", str(wrong))
    given = replayed(shop, receipt, "--spine", str(spine))

    assert absent.err.rstrip().endswith("give the spine with --spine")
    assert differing.err.rstrip().endswith("it differs in label")
    assert (absent.status, differing.status, given.status) == (1, 1, 0)


def test_a_receipt_overwrites_neither_the_spine_nor_the_set(shop: ShopHome) -> None:
    kept = (shop.folder / "spine.parquet").read_bytes()

    answers = [
        made(shop, "--receipt", str(shop.folder / name))
        for name in ("spine.parquet", "set.parquet")
    ]

    assert [answer.status for answer in answers] == [2, 2]
    assert all("would be overwritten; name another file" in answer.err for answer in answers)
    assert (shop.folder / "spine.parquet").read_bytes() == kept


def test_groups_of_which_nothing_was_committed_yet_are_named(shop: ShopHome) -> None:
    answer = made(shop, "--known-at", "2018-01-02T00:00:00Z")

    assert (answer.status, answer.err) == (
        0,
        "nothing of spend@1 was committed at 2018-01-02T00:00:00Z: its columns are null\n",
    )
    assert made(shop).err == ""


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        (["--features", "spent:amount"], 2, "no feature group 'spent'; did you mean 'spend'?"),
        (["--features", "spend:amont"], 2, "'amont'; did you mean 'amount'?"),
        (["--features", "spend,spend:amount"], 2, "'spend__amount' is asked for twice"),
        (
            ["--receipt", "/no/such/folder/r.json"],
            2,
            "--receipt: /no/such/folder/r.json is no file",
        ),
        (["--out", "/no/such/folder/set.parquet"], 2, "is in a folder that does not exist"),
        (["--out", "/proc/set.parquet"], 4, "headrace: /proc/set.parquet cannot be written"),
        (["--out", "/proc/set"], 4, "headrace: /proc/set cannot be written"),
        (["--out", "/"], 2, "/ is there already"),
    ],
)
def test_what_cannot_be_made_is_said_in_one_line(
    shop: ShopHome, options: Sequence[str], status: int, said: str
) -> None:
    if options[1].startswith("/proc") and not Path("/proc").exists():
        pytest.skip("needs Linux: /proc, where nobody may create files")

    answer = made(shop, *options)

    assert (answer.status, answer.out, answer.err.count("\n")) == (status, "", 1)
    assert said in answer.err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "is neither a file nor the id of a receipt in"),
        ("spine", "it is no receipt: line 1 is no JSON, and"),
        ('{"id": 1}', "it is no receipt: 'format' is missing, and"),
        ("[]", "it is no receipt: its fields are not those of one, and"),
        ('{"format": 2}', "its format is 2"),
    ],
)
def test_what_is_no_receipt_is_refused(shop: ShopHome, text: str | None, said: str) -> None:
    file = shop.folder / "receipt.json"
    if text is not None:
        file.write_text(text)

    answer = replayed(shop, str(file))

    assert (answer.status, answer.out, answer.err.count("\n")) == (2, "", 1)
    assert said in answer.err
