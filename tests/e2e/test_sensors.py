"""All sensors at once under a running daemon, on a mart where things go wrong one by one."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest
import redis

from headrace.cli.addresses import free_port
from headrace.cli.application import run
from headrace.cli.services import dagster_home
from headrace.contract.environment import Environment
from headrace.resources.offline.offline_store import OfflineStore
from headrace.resources.offline.table_spec import TableKind
from headrace.tests.webhook import Webhook, running_webhook

pytestmark = [pytest.mark.slow, pytest.mark.server, pytest.mark.timeout(1500)]

HEADRACE = Path(sys.executable).with_name("headrace")
DAYS = [f"2024-01-0{day}" for day in range(1, 9)]
GROUPS = ("ordered_1d", "ordered_3d", "refunded_2d")
PATIENCE_SECONDS = 400
ONLINE = [f"online/{group}" for group in GROUPS]
RULES, COMPLETE = "rows_keep_their_rules", "online_is_complete"


@dataclass
class Mart:
    """A home whose clock stands at 2024-01-09, in which everything runs."""

    folder: Path
    environment: Environment
    webhook: Webhook
    up: subprocess.Popen[bytes] | None = None

    def write_orders(self, day: str, amount: float) -> None:
        """Let the orders of a day arrive, or change."""
        file = self.folder / "orders" / day / "orders.csv"
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"customer_id,at,amount\n1,{day}T10:00:00Z,{amount}\n")

    def write_refunds(self, amounts: Mapping[str, float]) -> None:
        """Replace all refunds."""
        rows = [f"1,{day}T10:00:00Z,{amount}\n" for day, amount in amounts.items()]
        file = self.folder / "refunds" / "new"
        file.write_text("customer_id,at,amount\n" + "".join(rows))
        file.rename(file.with_name("refunds.csv"))

    def generations(self) -> dict[str, list[int]]:
        """The generations of a group's partitions, in order."""
        store, found = OfflineStore.from_env(self.environment), {}
        for name in GROUPS:
            table = store.stored_table(TableKind.FEATURES, name)
            assert table is not None
            found[name] = [commit.generation for commit in table.snapshot().commits.values()]
        return found

    def is_quiet(self) -> bool:
        """Whether nothing runs, and all that arrived was read."""
        with self._instance() as instance:
            going = [dg.DagsterRunStatus(name) for name in ("QUEUED", "STARTING", "STARTED")]
            if instance.get_runs(dg.RunsFilter(statuses=going)):
                return False
        record = self.folder / "home" / "offline" / "arrivals" / "orders.json"
        return record.exists() and '", "' not in record.read_text()

    def materialized(self, group: str) -> list[str | None]:
        """The partitions of which Dagster recorded a computation, also one without a commit."""
        key = dg.AssetKey(["offline", group])
        with self._instance() as instance:
            found = instance.fetch_materializations(key, limit=1000, ascending=True).records
        return [record.partition_key for record in found]

    def found(self, asset: str, check: str) -> list[str]:
        """What a check came to, the newest first; owners are not told of what is mended at once."""
        key = dg.AssetCheckKey(dg.AssetKey(asset.split("/")), check)
        with self._instance() as instance:
            storage = instance.event_log_storage
            records = storage.get_asset_check_execution_history(key, limit=100)
        return [each.status.value for each in records if each.status.value != "PLANNED"]

    def wait(self, is_so: Callable[[], bool]) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not is_so():
            assert self.up is None or self.up.poll() is None, "`up` ended"
            assert time.monotonic() < deadline
            time.sleep(2)

    def told(self, state: str, asset: str, check: str, partition: str | None = None) -> bool:
        """Whether the owners were told."""
        return (state, asset, check, partition) in self.webhook.news()

    @contextmanager
    def _instance(self) -> Iterator[dg.DagsterInstance]:
        with dg.DagsterInstance.from_config(str(dagster_home(self.environment))) as instance:
            yield instance


@pytest.fixture
def mart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mart]:
    """Eight days are computed and published, but for the newest two of the refunds."""
    with running_webhook() as webhook:
        variables = {
            "HEADRACE_HOME": str(tmp_path / "home"),
            "HEADRACE_PACKAGES": "headrace.tests.e2e.mart",
            "HEADRACE_CLOCK": "2024-01-09T00:00:00Z",
            "HEADRACE_ALERT_WEBHOOK": webhook.url,
            "MART_ORDERS": str(tmp_path / "orders"),
            "MART_REFUNDS": str(tmp_path / "refunds"),
        }
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        made = Mart(tmp_path, Environment.read(variables), webhook)
        for folder in ("orders", "refunds"):
            (tmp_path / folder).mkdir()
        for day in DAYS:
            made.write_orders(day, 5.0)
        made.write_refunds(dict.fromkeys(DAYS, 1.0))
        for group, last in zip(GROUPS, (DAYS[7], DAYS[7], DAYS[5]), strict=True):
            assert run(["materialize", group, "--partitions", f"{DAYS[0]}..{last}"]) == 0
        yield made


@contextmanager
def everything(mart: Mart) -> Iterator[None]:
    """`headrace up`, for as long as the block lasts."""
    log = mart.folder / "up.log"
    command = [str(HEADRACE), "up"]
    for option in ("--bind", "--dagster"):
        command += [option, f"127.0.0.1:{free_port()}"]
    with log.open("w") as output:
        mart.up = subprocess.Popen(command, stdout=output)
    try:
        mart.wait(lambda: "Stop with Ctrl-C" in log.read_text())
        yield
    finally:
        mart.up.send_signal(signal.SIGINT)
        mart.up.wait(timeout=60)


def test_whatever_happens_is_noticed_told_and_repaired_and_nothing_else_is_computed(
    mart: Mart,
) -> None:
    first = {"ordered_1d": [1] * 8, "ordered_3d": [1] * 8, "refunded_2d": [1] * 6}
    with everything(mart):
        # What is there arrives once. It changed nothing, so nothing is computed again.
        mart.wait(mart.is_quiet)
        assert mart.generations() == first
        by_hand = {group: len(mart.materialized(group)) for group in GROUPS}

        # A group whose newest days are missing is overdue, and its owners know.
        mart.wait(lambda: mart.told("failed", "offline/refunded_2d", "freshness"))
        assert not mart.told("failed", "offline/ordered_3d", "freshness")

        # A day's file changes, and a refund of the fifth day comes late, of which no file tells.
        # The windows that hold these days are computed, and no other.
        mart.write_orders(DAYS[2], 6.0)
        mart.write_refunds({**dict.fromkeys(DAYS, 1.0), DAYS[4]: 2.0})
        late = {
            "ordered_1d": [1, 1, 2, 1, 1, 1, 1, 1],
            "ordered_3d": [1, 1, 2, 2, 2, 1, 1, 1],
            "refunded_2d": [1, 1, 1, 1, 2, 2],
        }
        mart.wait(lambda: mart.generations() == late and mart.is_quiet())

        computed = {group: set(mart.materialized(group)[by_hand[group] :]) for group in GROUPS}
        assert computed == {
            "ordered_1d": {DAYS[2]},
            "ordered_3d": set(DAYS[2:5]),
            "refunded_2d": set(DAYS[4:6]),
        }

        # A wrong amount is computed nowhere, and told to whom the groups belong.
        mart.write_orders(DAYS[7], -987654.25)
        mart.wait(lambda: mart.told("failed", "offline/ordered_3d", RULES, DAYS[7]))
        mart.write_orders(DAYS[7], 7.0)
        mart.wait(lambda: mart.told("resolved", "offline/ordered_3d", RULES, DAYS[7]))
        for group in ("ordered_1d", "ordered_3d"):
            late[group] = [*late[group][:7], 2]
        mart.wait(lambda: mart.generations() == late and mart.is_quiet())

        # The online store loses everything: it is red, then filled again, then green. All has to be
        # published before: a publish of what is newest may make it whole before anybody looks.
        mart.wait(lambda: run(["verify"]) == 0 and mart.is_quiet())
        with redis.Redis(unix_socket_path=str(mart.environment.valkey_socket)) as client:
            client.flushall()
        mart.wait(lambda: all("FAILED" in mart.found(asset, COMPLETE) for asset in ONLINE))
        mart.wait(lambda: all(mart.found(asset, COMPLETE)[0] == "SUCCEEDED" for asset in ONLINE))
        mart.wait(lambda: run(["verify"]) == 0)

        # The missing days are read and computed, by hand: nobody is overdue any more.
        assert run(["materialize", "refunded_2d", "--partitions", f"{DAYS[6]}..{DAYS[7]}"]) == 0
        mart.wait(lambda: mart.told("resolved", "offline/refunded_2d", "freshness"))

    assert mart.generations() == {**late, "refunded_2d": [1, 1, 1, 1, 2, 2, 1, 1]}
    assert "987654" not in "".join(mart.webhook.raw)
    owners = {
        alert["asset"]: alert["owners"] for body in mart.webhook.bodies for alert in body["alerts"]
    }
    assert owners["offline/ordered_3d"] == ["team:growth"]
    assert owners["offline/refunded_2d"] == ["team:service"]
