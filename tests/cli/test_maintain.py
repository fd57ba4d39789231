"""`headrace maintain`."""

from pathlib import Path

import pytest

from headrace.assets.discovery import discover
from headrace.resources.deployments import Deployment
from headrace.resources.offline.offline_table import OfflineTable
from headrace.tests.e2e.homes import PACKAGE, ShopHome, shop_home
from headrace.tests.resources.offline.maintenance.scattering import scatter

pytestmark = pytest.mark.server


@pytest.fixture
def shop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> ShopHome:
    """A home in which one day of two groups is committed and published."""
    home = shop_home(tmp_path, monkeypatch, capsys)
    for group in ("customer_spend", "customer_last_order"):
        ran = home.headrace("materialize", group, "--partitions", "2024-01-02")
        assert ran.status == 0
    return home


def spend(shop: ShopHome) -> OfflineTable:
    group = discover([PACKAGE]).group("customer_spend")
    return Deployment.of(shop.environment).offline.table(group.table)


def test_maintain_compacts_and_says_so_and_serving_is_as_before(shop: ShopHome) -> None:
    scatter(spend(shop), "2024-01-02", pieces=2)

    planned = shop.headrace("maintain", "customer_spend", "--dry-run", "--json").json
    done = shop.headrace("maintain", "customer_spend", "--json").json
    shown = shop.headrace("maintain")

    (plan,), (table,) = planned["tables"], done["tables"]
    assert (planned["dry_run"], done["dry_run"]) == (True, False)
    assert (plan["compaction"]["slices"], plan["compaction"]["files_after"]) == (1, 2)
    assert (table["compaction"]["slices"], table["compaction"]["files_after"]) == (1, 1)
    assert table["table"] == "features/customer_spend/v1"
    assert table["vacuum"] == {"files": 0, "size": 0}
    assert (shown.status, shown.err) == (0, "")
    assert "sources/orders" in shown.out
    assert shown.out.splitlines()[-1] == "0 files (0 B) removed"
    assert shown.out.splitlines()[0].endswith("older versions kept")
    assert shop.headrace("verify").status == 0


def test_an_age_that_could_hurt_whoever_is_writing_is_refused(shop: ShopHome) -> None:
    refused = [shop.headrace("maintain", "--min-age", days) for days in ("0", "0.04", "nan")]

    assert [answer.status for answer in refused] == [2, 2, 2]
    assert "--min-age: 0.04 days are less than an hour" in refused[1].err
