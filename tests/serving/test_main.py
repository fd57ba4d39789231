"""The server as a process: how it begins, how it ends, and what it does without its store."""

import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from datetime import timedelta
from pathlib import Path

import grpc
import pytest
import redis
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from headrace.contract.clock import move_clock
from headrace.contract.errors import ServerError
from headrace.contract.status import Status
from headrace.resources.online.local_valkey import LocalValkey
from headrace.serving.client import FeatureClient
from headrace.tests.serving.publishing import NOW, Publisher, group
from headrace.tests.serving.running import Gate, patiently, server_process
from headrace.tests.valkey import environment_of

pytestmark = pytest.mark.server

SPEND = "household_spend:spend_30d"
ROWS = b"{"  # every row's key begins with it, and no other key


@pytest.fixture
def spend(publisher: Publisher) -> None:
    publisher.publish(group(), {(1,): (12.5, 3)})


def look_up(client: FeatureClient) -> list[list[int]]:
    """The statuses of the one household that was published."""
    got = client.get_online_features([SPEND], entities={"household_id": [1]})
    statuses: list[list[int]] = got.statuses.tolist()
    return statuses


def look_up_until(client: FeatureClient, expected: Status) -> None:
    """Repeat a lookup until it answers as expected; the test's timeout is the limit."""
    while True:
        with suppress(ServerError):
            if look_up(client) == [[expected]]:
                return


@pytest.mark.usefixtures("spend")
def test_a_call_in_flight_is_answered_before_the_server_ends(
    valkey_url: str, variables: dict[str, str]
) -> None:
    with ExitStack() as stack:
        gate = stack.enter_context(Gate(valkey_url, holds=ROWS))
        server = stack.enter_context(server_process(**{**variables, "HEADRACE_REDIS": gate.url}))
        client = stack.enter_context(FeatureClient(server.address))
        pool = stack.enter_context(ThreadPoolExecutor())
        gate.open.clear()
        held = pool.submit(look_up, client)
        gate.holding.wait()

        server.process.send_signal(signal.SIGTERM)
        # Its listener is closed first: then it drains, and the call is let through.
        while connects(server.address):
            pass
        gate.open.set()

        assert held.result() == [[Status.PRESENT]]
        assert server.process.wait(10) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_server_ends_at_once_though_somebody_watches_its_health(
    variables: dict[str, str], number: signal.Signals
) -> None:
    with ExitStack() as stack:
        server = stack.enter_context(server_process(**variables))
        channel = stack.enter_context(grpc.insecure_channel(server.address))
        watch = channel.unary_stream(
            "/grpc.health.v1.Health/Watch",
            request_serializer=HealthCheckRequest.SerializeToString,
            response_deserializer=HealthCheckResponse.FromString,
        )(HealthCheckRequest())
        next(watch)
        started = time.monotonic()

        server.process.send_signal(number)

        assert server.process.wait(30) == 0
        assert time.monotonic() - started < 5


@pytest.mark.usefixtures("spend")
def test_a_killed_server_serves_at_once_when_it_is_back(variables: dict[str, str]) -> None:
    with server_process(**variables) as first, FeatureClient(first.address) as client:
        before = look_up(client)
        first.process.kill()
        first.process.wait()
        with (
            server_process(first.address, **variables),
            FeatureClient(first.address) as new_client,
        ):
            after = look_up(new_client)
            look_up_until(client, Status.PRESENT)

    assert before == after == [[Status.PRESENT]]


def test_without_its_store_the_server_is_unavailable_at_once_and_heals_by_itself(
    tmp_path: Path,
) -> None:
    environment = environment_of(tmp_path)
    variables = {"HEADRACE_HOME": str(tmp_path), "HEADRACE_CLOCK": NOW.isoformat()}
    with server_process(**variables) as server, FeatureClient(server.address) as client:
        with pytest.raises(ServerError) as before:
            look_up(client)
        with LocalValkey(environment) as valkey:
            with redis.Redis.from_url(valkey.url) as store:
                Publisher(store, "default").publish(group(), {(1,): (12.5, 3)})
            first = patiently(lambda: look_up(client))
            os.kill(valkey.pid, signal.SIGKILL)
            started = time.monotonic()
            with pytest.raises(ServerError) as after:
                look_up(client)
            waited = time.monotonic() - started
            with LocalValkey(environment):
                second = patiently(lambda: look_up(client))

    assert first == second == [[Status.PRESENT]]
    assert (before.value.code, after.value.code) == ("UNAVAILABLE", "UNAVAILABLE")
    assert f"the store at unix://{environment.valkey_socket}" in after.value.reason
    assert waited < 1


@pytest.mark.usefixtures("spend")
def test_a_frozen_clock_that_is_moved_is_followed(
    variables: dict[str, str], tmp_path: Path
) -> None:
    with server_process(**variables) as server, FeatureClient(server.address) as client:
        before = look_up(client)
        move_clock(tmp_path, NOW + timedelta(days=3, microseconds=1))
        look_up_until(client, Status.STALE)

    assert before == [[Status.PRESENT]]


def test_a_taken_port_ends_the_server_with_a_message(
    server: str, variables: dict[str, str]
) -> None:
    assert refused(variables, "--bind", server) == (
        f"error: {server} is in use, wanted for the feature server; choose another with --bind\n"
    )


def test_a_wrong_environment_ends_the_server_with_a_message(variables: dict[str, str]) -> None:
    message = refused({**variables, "HEADRACE_CLOCK": "yesterday"})

    assert message.startswith("error: HEADRACE_CLOCK: 'yesterday' is no instant")


def refused(variables: dict[str, str], *arguments: str) -> str:
    """What a server that cannot run says before it ends."""
    ended = subprocess.run(
        [sys.executable, "-m", "headrace.serving", *arguments],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    return ended.stderr


def connects(address: str) -> bool:
    """Whether anything listens there."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port))).close()
    except OSError:
        return False
    return True
