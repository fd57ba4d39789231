"""What runs beside a transport, in a process of its own."""

import http.client
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, closing

import pytest

from headrace.contract.errors import PortTakenError
from headrace.contract.feature_group import DType
from headrace.serving.__main__ import main
from headrace.serving.client import FeatureClient
from headrace.serving.settings import LogSettings, MetricsSettings
from headrace.tests.serving.operating import operated
from headrace.tests.serving.publishing import Publisher, group
from headrace.tests.serving.rest.asking import LOOKUP, ask, households, rest_settings
from headrace.tests.serving.running import Gate, server_process

pytestmark = pytest.mark.server

BESIDE = ("prometheus_client", "opentelemetry.exporter", "starlette", "uvicorn")
transports = pytest.mark.parametrize("transport", ["lean", "aio"])


@transports
def test_rest_answers_beside_either_transport_and_drains_with_it(
    valkey_url: str, variables: dict[str, str], publisher: Publisher, transport: str
) -> None:
    """A call in flight is answered; new connections are refused meanwhile."""
    publisher.publish(group(), {(1,): (12.5, 3)})
    with ExitStack() as stack:
        gate = stack.enter_context(Gate(valkey_url, holds=b"{"))
        options = ("--transport", transport, "--rest", "127.0.0.1:0")
        variables |= {"HEADRACE_REDIS": gate.url, "HEADRACE_SERVE_STORE_TIMEOUT": "60"}
        server = stack.enter_context(server_process("127.0.0.1:0", *options, **variables))
        rest = server.others["REST"]
        assert ask(rest, LOOKUP, households(1)).status == 200
        gate.open.clear()
        held = stack.enter_context(closing(http.client.HTTPConnection(rest)))
        headers = {"content-type": "application/json"}
        held.request("POST", LOOKUP, json.dumps(households(1)), headers)
        gate.holding.wait()

        server.process.send_signal(signal.SIGTERM)
        while connects(rest):
            time.sleep(0.01)
        gate.open.set()

        assert json.loads(held.getresponse().read())["values"] == [[12.5]]
        assert server.process.wait(60) == 0


@transports
def test_a_flip_under_traffic_reaches_rest(
    valkey_url: str, publisher: Publisher, transport: str
) -> None:
    """Every answer is wholly of one version, and after the first new one none is of the old."""
    features = {"spend_30d": DType.FLOAT64}
    publisher.publish(group(features=features), {(1,): (1.0,)})
    answers: list[tuple[int, list[list[float]]]] = []
    with operated(rest_settings(valkey_url), transport) as server:
        rest, is_over = server.others["REST"], threading.Event()

        def look_up() -> None:
            while not is_over.is_set():
                got = ask(rest, LOOKUP, households(1)).json
                answers.append((got["feature_groups"][0]["version"], got["values"]))

        thread = threading.Thread(target=look_up)
        thread.start()
        wait_until(lambda: len(answers) > 10)
        following = group(features=features, version=2)
        publisher.register(following, live=False)
        publisher.write(following, {(1,): (2.0,)})
        publisher.guard(following)
        publisher.flip(publisher.manifest.with_live("household_spend", 2))
        wait_until(lambda: answers[-1][0] == 2)
        seen = len(answers)
        wait_until(lambda: len(answers) > seen + 10)
        is_over.set()
        thread.join()

    assert set(map(str, answers)) == {"(1, [[1.0]])", "(2, [[2.0]])"}
    versions = [version for version, _ in answers]
    assert versions == sorted(versions)


@transports
def test_access_is_logged_without_join_keys(
    valkey_url: str, publisher: Publisher, transport: str, caplog: pytest.LogCaptureFixture
) -> None:
    publisher.publish(group(), {(1,): (12.5, 3)})
    caplog.set_level("INFO", "headrace")
    chosen = rest_settings(valkey_url, log=LogSettings(access=True))

    with operated(chosen, transport) as server, FeatureClient(server.address) as client:
        ask(server.others["REST"], LOOKUP, households(1234567))
        ask(server.others["REST"], LOOKUP, households(1, features=["household_spend:w_7654321"]))
        client.get_online_features(["household_spend"], entities={"household_id": [1234567]})

    calls = [record.fields for record in caplog.records if record.name == "headrace.access"]  # type: ignore[attr-defined]  # ours
    rest = "POST /v1/online-features"
    assert [(call["method"], call["status"]) for call in calls] == [
        (rest, "OK"),
        (rest, "NOT_FOUND"),
        ("GetContract", "OK"),
        ("GetOnlineFeatures", "OK"),
    ]
    assert "1234567" not in caplog.text
    assert "7654321" not in caplog.text


def test_a_taken_port_of_any_kind_names_its_option(valkey_url: str) -> None:
    with operated(rest_settings(valkey_url), "aio") as server:
        taken = MetricsSettings(server.others["REST"])
        with (
            pytest.raises(PortTakenError, match="--metrics"),
            operated(rest_settings(valkey_url, metrics=taken), "aio"),
        ):
            pass


def test_the_configuration_is_printed_and_nothing_is_served(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], variables: dict[str, str]
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    status = main(["--print-config", "--rest", "127.0.0.1:1"])

    printed = capsys.readouterr().out
    assert status == 0
    assert 'namespace = "default"' in printed
    assert "# HEADRACE_REDIS" in printed
    assert "# --rest" in printed


def test_a_setting_that_is_not_there_ends_the_server_with_a_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HEADRACE_SERVE_REST_BND", "127.0.0.1:1")

    assert main([]) == 1
    assert capsys.readouterr().err == (
        "error: HEADRACE_SERVE_REST_BND: there is no such setting;"
        " did you mean HEADRACE_SERVE_REST_BIND?\n"
    )


def test_who_is_not_watched_loads_nothing_for_it() -> None:
    """Of OpenTelemetry that is its exporter: redis-py loads the rest by itself."""
    modules = ("__main__", "operation", "transports.lean", "transports.aio")
    program = (
        f"import sys, {', '.join(f'headrace.serving.{module}' for module in modules)};"
        "print(*sys.modules)"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()

    assert "headrace.serving.transports.lean" in loaded
    assert [name for name in loaded if name.startswith(BESIDE)] == []


def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait for a condition; the test's timeout is the limit."""
    while not is_so():
        time.sleep(0.01)


def connects(address: str) -> bool:
    """Whether anything listens there."""
    connection = http.client.HTTPConnection(address)
    try:
        connection.connect()
    except OSError:
        return False
    connection.close()
    return True
