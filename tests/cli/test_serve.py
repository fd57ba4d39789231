"""`headrace serve`: where it listens, and what becomes of the embedded Valkey beside it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from headrace.cli.home import server_addresses
from headrace.cli.reach import listening_server, listens
from headrace.contract.environment import Environment
from headrace.serving.client import FeatureClient

pytestmark = pytest.mark.server

HEADRACE = Path(sys.executable).with_name("headrace")
PATIENCE_SECONDS = 120


@contextmanager
def serving(home: Path, bind: str) -> Iterator[subprocess.Popen[bytes]]:
    """`headrace serve`, which has begun to listen; ended with its Valkey if it still runs."""
    environment = {**os.environ, "HEADRACE_HOME": str(home)}
    with (
        (home.parent / f"{time.monotonic_ns()}.log").open("wb+") as log,
        subprocess.Popen([HEADRACE, "serve", "--bind", bind], stdout=log, env=environment) as made,
    ):
        try:
            wait_until(lambda: b"listens on" in Path(log.name).read_bytes(), made)
            yield made
        finally:
            made.terminate()
            made.wait(PATIENCE_SECONDS)


def wait_until(is_so: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert process.poll() is None, "the server ended"
        assert time.monotonic() < deadline, "it never came to it"
        time.sleep(0.05)


def valkey_pid(environment: Environment) -> int:
    """The process of the embedded Valkey, which is not joined; 0 while it does not answer."""
    try:
        with redis.Redis(unix_socket_path=str(environment.valkey_socket)) as client:
            return int(client.info("server")["process_id"])
    except redis.ConnectionError:
        return 0


def test_two_servers_of_a_home_are_found_and_their_valkey_is_kept_alive(tmp_path: Path) -> None:
    environment = Environment.read({"HEADRACE_HOME": str(tmp_path / "home")})
    socket = f"unix:{tmp_path / 'features.sock'}"
    with serving(environment.home, "127.0.0.1:0") as first:
        with serving(environment.home, socket) as second:
            both = server_addresses(environment)
            newest = listening_server(environment)
            with FeatureClient(socket) as client:
                assert client.list_feature_groups() == ()
            second.kill()
            second.wait()
        left = server_addresses(environment)
        pid = valkey_pid(environment)
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: valkey_pid(environment) not in {0, pid}, first)
        with FeatureClient(left[0]) as client:
            answered = client.list_feature_groups()
        first.send_signal(signal.SIGTERM)
        ended = first.wait(PATIENCE_SECONDS)

    assert newest == socket
    assert both == [socket, *left]
    assert len(left) == 1
    assert answered == ()
    assert ended == 0
    assert not listens(left[0])
    assert valkey_pid(environment) == 0, "the last to leave shuts it down"


def test_a_socket_on_which_a_server_listens_is_not_taken_from_it(tmp_path: Path) -> None:
    home, bind = tmp_path / "home", f"unix:{tmp_path / 'features.sock'}"
    with serving(home, bind):
        second = subprocess.run(
            [HEADRACE, "serve", "--bind", bind],
            check=False,
            capture_output=True,
            text=True,
            env={**os.environ, "HEADRACE_HOME": str(home)},
        )

    assert second.returncode == 4
    assert f"{bind} is in use, wanted for the feature server" in second.stderr
