"""`headrace up` and `headrace demo`: all processes together, and none of them afterwards."""

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from headrace.cli.addresses import free_port
from headrace.cli.home import server_addresses
from headrace.cli.reach import listens
from headrace.contract.environment import Environment
from headrace.resources.online.local_valkey import LocalValkey
from headrace.tests.e2e.homes import ShopHome, cells, shop_home

pytestmark = [pytest.mark.slow, pytest.mark.server]

HEADRACE = Path(sys.executable).with_name("headrace")


@pytest.fixture
def shop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> ShopHome:
    return shop_home(tmp_path, monkeypatch, capsys)


def test_up_runs_everything_is_joined_and_leaves_nothing_behind(shop: ShopHome) -> None:
    server, dagster = (f"127.0.0.1:{free_port()}" for _ in range(2))
    log = shop.folder / "up.log"
    # As a shell starts a background job: SIGINT ignored, which children would inherit.
    ignoring = ("bash", "-c", 'trap "" INT; exec "$0" "$@"')
    with log.open("w") as output:
        up = subprocess.Popen(
            [*ignoring, str(HEADRACE), "up", "--bind", server, "--dagster", dagster], stdout=output
        )
    try:
        _wait(lambda: "Stop with Ctrl-C" in log.read_text(), up)
        second = shop.headrace("up", "--bind", f"127.0.0.1:{free_port()}")
        made = shop.headrace("materialize", "customer_spend", "--partitions", "2024-01-03")
        lookup = ("lookup", "customer_spend:spend_2d", "customer_id=1", "--json")
        found = shop.headrace(*lookup)
        status = shop.headrace("status", "--json").json
        with LocalValkey(shop.environment) as valkey:
            pid = valkey.pid
        _kill(pid)
        _wait(lambda: shop.headrace(*lookup).status == 0, up)
    finally:
        up.send_signal(signal.SIGINT)
        ended = up.wait(timeout=60)

    assert (second.status, made.status) == (4, 0)
    assert f"(process {up.pid})" in second.err
    assert cells(found, "customer_spend__spend_2d") == [(12.5, "PRESENT")]
    assert status["feature_server"] == {"address": server, "answers": True}
    assert ended == 0
    assert not listens(server)
    assert not listens(dagster)
    assert server_addresses(shop.environment) == []
    assert not _answers(shop.environment.valkey_socket)
    assert not _answers(shop.environment.valkey_socket.with_name("dagster.sock"))


@pytest.mark.timeout(400)
def test_the_demonstration_ends_in_time_having_proved_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADRACE_HOME", str(tmp_path))
    command = [str(HEADRACE), "demo", "--once", "--bind", f"127.0.0.1:{free_port()}"]
    started = time.monotonic()

    ended = subprocess.run(command, capture_output=True, text=True, check=False)

    assert ended.returncode == 0, ended.stderr
    assert time.monotonic() - started < 240
    for said in (
        r"transactions: 366 partitions, 1,469,307 rows",
        r"household_last_basket: 60 partitions, ",
        r"trained +on [0-9,]+ rows, .* AUC 0\.[67]",
        r"household 1, household_spend__spend_30d: 175\.93, PRESENT, 0 s old, table version [0-9]+",
        r"household 999999, household_spend__spend_30d: None, NOT_FOUND",
        r"compared +[0-9,]+ online vectors equal the offline rows, bit for bit",
        r"verified +[0-9,]+ online rows equal what is committed offline, byte by byte",
    ):
        assert re.search(said, ended.stdout), f"{said} not in {ended.stdout}"


def test_an_interrupted_demonstration_ends_at_once_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADRACE_HOME", str(tmp_path))
    server = f"127.0.0.1:{free_port()}"
    demo = subprocess.Popen([str(HEADRACE), "demo", "--once", "--bind", server])
    _wait((tmp_path / "offline" / "sources" / "transactions").exists, demo)

    demo.send_signal(signal.SIGINT)

    assert demo.wait(timeout=30) == 130
    assert not listens(server)
    assert server_addresses(Environment.read()) == []


def _wait(is_done: Callable[[], bool], process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 120
    while not is_done():
        assert process.poll() is None, "`up` ended"
        assert time.monotonic() < deadline
        time.sleep(0.2)


def _kill(pid: int) -> None:
    subprocess.run(["kill", "-9", str(pid)], check=True)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
        except OSError:
            return False
    return True
