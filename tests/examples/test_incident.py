"""The incident: what it leaves behind is what it says, for tables, Dagster and the command line."""

from pathlib import Path

import dagster as dg
import pytest

from headrace.cli.application import run
from headrace.cli.installation import Installation
from headrace.cli.services import dagster_home
from headrace.contract.environment import Environment
from headrace.examples.incident import States, play_in, states
from headrace.tests.e2e.homes import Answer

pytestmark = [pytest.mark.slow, pytest.mark.server]

OTHERS = ["household_last_basket", "household_store", "product_popularity"]


@pytest.mark.timeout(600)
def test_the_incident_leaves_fresh_stale_late_and_failed_groups_and_can_be_played_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = States(
        fresh=["household_last_basket", "household_spend", "household_store", "product_popularity"],
        stale=["household_affinity"],
        late=["household_affinity", *OTHERS],
        failed=["transactions 2017-12-19"],
    )
    home = tmp_path / "home"

    def headrace(*arguments: str) -> Answer:
        capsys.readouterr()
        status = run(arguments)
        shown = capsys.readouterr()
        return Answer(status, shown.out, shown.err)

    assert play_in(home) == expected
    assert play_in(home) == expected

    monkeypatch.setenv("HEADRACE_HOME", str(home))
    environment = Environment.read()
    assert states(Installation.open(environment)) == expected
    groups = {each["name"]: each for each in headrace("status", "--json").json["feature_groups"]}
    assert {name: each["fresh"] for name, each in groups.items()} == {
        "household_affinity": False,
        **dict.fromkeys(expected.fresh, True),
    }
    assert groups["household_affinity"]["age_seconds"] == 2 * 86_400
    assert groups["household_store"]["outdated_partitions"] == [
        *("2017-12-17", "2017-12-18", "2017-12-20")
    ]
    assert groups["household_spend"]["outdated_partitions"] == []
    assert {each["missing_partitions"] for each in groups.values()} == {1}
    assert headrace("verify").status == 0
    look_up = ("household_affinity:favourite_department_30d", "household_spend:spend_7d")
    (found,) = headrace("lookup", *look_up, "household_id=40", "--json").json["entities"]
    ages = {name: cell["age_seconds"] for name, cell in found["features"].items()}
    assert ages == {
        "household_affinity__favourite_department_30d": 2 * 86_400,
        "household_spend__spend_7d": 0,
    }
    assert failed_partitions(environment) == {"2017-12-19"}


def failed_partitions(environment: Environment) -> set[str | None]:
    """The partitions of the transactions whose check failed, as Dagster shows them."""
    check = dg.AssetCheckKey(dg.AssetKey(["sources", "transactions"]), "rows_keep_their_rules")
    with dg.DagsterInstance.from_config(str(dagster_home(environment))) as instance:
        found = instance.event_log_storage.get_asset_check_partition_info([check])
    return {each.partition_key for each in found if each.latest_execution_status.value == "FAILED"}


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("all of it")

    with pytest.raises(FileExistsError, match="holds something else"):
        play_in(tmp_path)

    assert [each.name for each in tmp_path.iterdir()] == ["thesis.txt"]
