"""One `up` per home, and where its server answers."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from headrace.cli.home import announced_server, home_lock, server_addresses
from headrace.contract.environment import Environment
from headrace.contract.errors import HomeInUseError


def test_a_second_holder_is_refused_and_told_who_holds_the_home(tmp_path: Path) -> None:
    with home_lock(tmp_path), pytest.raises(HomeInUseError) as refused, home_lock(tmp_path):
        pass

    assert (refused.value.home, refused.value.pid) == (str(tmp_path), os.getpid())


def test_a_home_is_free_again_when_its_holder_leaves(tmp_path: Path) -> None:
    for _ in range(2):
        with home_lock(tmp_path):
            pass


def test_another_home_is_free(tmp_path: Path) -> None:
    with home_lock(tmp_path / "one"), home_lock(tmp_path / "two"):
        pass


def test_a_server_is_announced_for_as_long_as_it_runs(tmp_path: Path) -> None:
    environment = Environment.read({"HEADRACE_HOME": str(tmp_path)})
    before = server_addresses(environment)
    with announced_server(environment, "127.0.0.1:5"):
        during = server_addresses(environment)

    assert (before, during, server_addresses(environment)) == ([], ["127.0.0.1:5"], [])


def test_a_second_server_does_not_hide_the_first(tmp_path: Path) -> None:
    environment = Environment.read({"HEADRACE_HOME": str(tmp_path)})
    with announced_server(environment, "127.0.0.1:5"):
        with announced_server(environment, "127.0.0.1:6"):
            both = server_addresses(environment)
        one = server_addresses(environment)

    assert both == ["127.0.0.1:6", "127.0.0.1:5"]
    assert one == ["127.0.0.1:5"]


def test_what_a_killed_process_announced_is_forgotten(tmp_path: Path) -> None:
    environment = Environment.read({"HEADRACE_HOME": str(tmp_path)})
    announcing = (
        "import os, signal\n"
        "from headrace.cli.home import announced_server, server_addresses\n"
        "from headrace.contract.environment import Environment\n"
        "with announced_server(Environment.read(), '127.0.0.1:6'):\n"
        "    assert server_addresses(Environment.read()) == ['127.0.0.1:6', '127.0.0.1:5']\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    with announced_server(environment, "127.0.0.1:5"):
        ended = subprocess.run(
            [sys.executable, "-c", announcing],
            check=False,
            env={**os.environ, "HEADRACE_HOME": str(tmp_path)},
        )
        found = server_addresses(environment)

    assert ended.returncode == -signal.SIGKILL
    assert found == ["127.0.0.1:5"]
    assert list((tmp_path / "servers").iterdir()) == []


@pytest.mark.parametrize(
    "other", [{"HEADRACE_NAMESPACE": "other"}, {"HEADRACE_REDIS": "redis://127.0.0.1:1/0"}]
)
def test_a_server_that_reads_something_else_is_not_this_environments(
    tmp_path: Path, other: dict[str, str]
) -> None:
    home = {"HEADRACE_HOME": str(tmp_path)}

    with announced_server(Environment.read(home), "127.0.0.1:5"):
        found = server_addresses(Environment.read(home | other))

    assert found == []
