import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from headrace.contract.environment import Environment
from headrace.contract.errors import StoreUnavailableError
from headrace.resources.online.local_valkey import LocalValkey

pytestmark = pytest.mark.server

USER = """
import sys
from headrace.contract.environment import Environment
from headrace.resources.online.local_valkey import LocalValkey

with LocalValkey(Environment.read()) as valkey:
    print(valkey.pid, flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return Environment.read({"HEADRACE_HOME": str(tmp_path / "home")})


def another_user(environment: Environment) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", USER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "HEADRACE_HOME": str(environment.home)},
    )


def pid_that_it_sees(user: subprocess.Popen[str]) -> int:
    assert user.stdout is not None
    return int(user.stdout.readline())


def answers(environment: Environment) -> bool:
    try:
        with redis.Redis.from_url(environment.redis_url) as client:
            return bool(client.ping())
    except redis.ConnectionError:
        return False


def test_rows_survive_a_restart(environment: Environment) -> None:
    with LocalValkey(environment), redis.Redis.from_url(environment.redis_url) as client:
        client.set("key", b"row\x00\xff")

    with LocalValkey(environment), redis.Redis.from_url(environment.redis_url) as client:
        assert client.get("key") == b"row\x00\xff"


def test_the_last_user_to_leave_shuts_it_down(environment: Environment) -> None:
    first, second = LocalValkey(environment), LocalValkey(environment)

    with first:
        with second:
            pids = {first.pid, second.pid}
        while_one_is_left = answers(environment)

    assert (len(pids), while_one_is_left, answers(environment)) == (1, True, False)


def test_processes_that_start_together_share_one_server(environment: Environment) -> None:
    users = [another_user(environment) for _ in range(4)]

    pids = {pid_that_it_sees(user) for user in users}
    for user in users:
        user.communicate("leave\n")

    assert (len(pids), answers(environment)) == (1, False)


def test_a_user_that_is_killed_is_not_waited_for(environment: Environment) -> None:
    killed = another_user(environment)
    pid = pid_that_it_sees(killed)
    killed.kill()
    killed.communicate()

    with LocalValkey(environment) as valkey:
        joined = valkey.pid

    assert (joined, answers(environment)) == (pid, False)


def test_a_server_that_was_killed_is_started_again_with_what_it_had_confirmed(
    environment: Environment,
) -> None:
    with LocalValkey(environment) as valkey:
        with redis.Redis.from_url(environment.redis_url) as client:
            client.set("key", "row")
        os.kill(valkey.pid, signal.SIGKILL)

        with (
            LocalValkey(environment),
            redis.Redis.from_url(environment.redis_url) as client,
        ):
            assert client.get("key") == b"row"


def test_nobody_else_can_open_it(environment: Environment) -> None:
    with LocalValkey(environment), redis.Redis.from_url(environment.redis_url) as client:
        found = (
            environment.valkey_socket.parent.stat().st_mode & 0o777,
            client.config_get("port")["port"],
            client.config_get("maxmemory-policy")["maxmemory-policy"],
        )

    assert found == (0o700, "0", "noeviction")


def test_a_home_with_a_long_path_is_served(tmp_path: Path) -> None:
    environment = Environment.read({"HEADRACE_HOME": str(tmp_path / ("h" * 120))})

    with LocalValkey(environment):
        assert answers(environment)


def test_a_store_of_ones_own_needs_no_embedded_one(tmp_path: Path) -> None:
    environment = Environment.read(
        {"HEADRACE_HOME": str(tmp_path), "HEADRACE_REDIS": "redis://localhost:1"}
    )

    with LocalValkey(environment) as valkey:
        assert (valkey.url, list(tmp_path.iterdir())) == ("redis://localhost:1", [])


def test_a_server_that_does_not_start_says_why(environment: Environment) -> None:
    folder = environment.home / "valkey"
    (folder / "appendonlydir").mkdir(parents=True)
    (folder / "appendonlydir" / "appendonly.aof.manifest").write_text("nonsense\n")

    with (
        pytest.raises(StoreUnavailableError, match=r"valkey\.log"),
        LocalValkey(environment),
    ):
        pass
