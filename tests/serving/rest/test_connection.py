"""Callers that would hold a connection for ever, and too many of them."""

import socket
from contextlib import ExitStack, closing
from datetime import timedelta

import pytest

from headrace.serving.settings import RestSettings
from headrace.tests.serving.rest.asking import ask, rest_served, rest_settings

pytestmark = pytest.mark.server

SOON = timedelta(milliseconds=300)
REQUEST = b"GET /healthz HTTP/1.1\r\nhost: here\r\n\r\n"
PART = b"GET /heal"


def connected(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=60)


def answered(connection: socket.socket) -> bool:
    """Whether a request is, with 200; its answer is read as a whole."""
    connection.sendall(REQUEST)
    received = b""
    while not received.endswith(b"}"):
        received += connection.recv(65536)
    return received.startswith(b"HTTP/1.1 200 OK")


def ended(connection: socket.socket) -> bytes:
    """What is received until the server closes; a timeout is an error."""
    received = b""
    try:
        while part := connection.recv(65536):
            received += part
    except ConnectionResetError:
        pass
    return received


@pytest.mark.parametrize(("is_first", "sent"), [(True, b""), (True, PART), (False, PART)])
def test_headers_that_do_not_come_end_the_connection(
    valkey_url: str, sent: bytes, *, is_first: bool
) -> None:
    """Of the first request, and of one after an answer; who is idle there is let be longer."""
    chosen = rest_settings(valkey_url, rest=RestSettings(bind="127.0.0.1:0", header_timeout=SOON))
    with rest_served(chosen) as rest, closing(connected(rest)) as connection:
        if not is_first:
            assert answered(connection)
        connection.sendall(sent)

        assert ended(connection) == b""


def test_a_caller_may_take_its_time_between_requests(valkey_url: str) -> None:
    chosen = rest_settings(valkey_url, rest=RestSettings(bind="127.0.0.1:0", header_timeout=SOON))
    with rest_served(chosen) as rest, closing(connected(rest)) as connection:
        first = answered(connection)
        connection.settimeout(2 * SOON.total_seconds())
        with pytest.raises(TimeoutError):  # neither an answer nor an end
            connection.recv(1)
        connection.settimeout(60)
        second = answered(connection)

    assert (first, second) == (True, True)


def test_an_answer_that_nobody_takes_ends_the_connection(valkey_url: str) -> None:
    rest_of = RestSettings(bind="127.0.0.1:0", header_timeout=SOON, body_timeout=SOON, timeout=SOON)
    asked = REQUEST.replace(b"/healthz", b"/openapi.json") * 100
    with (
        rest_served(rest_settings(valkey_url, rest=rest_of)) as rest,
        closing(connected(rest)) as connection,
        pytest.raises(OSError),  # noqa: PT011  # a reset, or a broken pipe
    ):
        send_for_ever(connection, asked)


def send_for_ever(connection: socket.socket, requests: bytes) -> None:
    """Send and read nothing: at some point the server can neither write nor read on."""
    while True:
        connection.sendall(requests)


def test_more_connections_than_may_be_are_told_so(valkey_url: str) -> None:
    rest_of = RestSettings(bind="127.0.0.1:0", connections=2)
    with rest_served(rest_settings(valkey_url, rest=rest_of)) as rest, ExitStack() as stack:
        held = [stack.enter_context(closing(connected(rest))) for _ in range(2)]
        assert all(answered(connection) for connection in held)
        with closing(connected(rest)) as third:
            refused = ended(third)
        held[0].close()
        served = False
        while not served:  # once the server has seen that one is gone
            served = ask(rest, "/healthz").status == 200

    assert refused.startswith(b"HTTP/1.1 503")
