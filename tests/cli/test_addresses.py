"""Addresses to listen on."""

import socket

import pytest

from headrace.cli.addresses import free_port, host_and_port, require_free_port
from headrace.contract.errors import InvalidArgumentError, PortTakenError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:50051", ("127.0.0.1", 50051)),
        ("localhost:0", ("localhost", 0)),
        ("[::1]:3000", ("::1", 3000)),
    ],
)
def test_an_address_is_taken_apart(text: str, expected: tuple[str, int]) -> None:
    assert host_and_port(text, option="--bind") == expected


@pytest.mark.parametrize("text", ["50051", ":50051", "localhost", "localhost:x", "localhost:70000"])
def test_what_is_no_address_is_refused_by_the_options_name(text: str) -> None:
    with pytest.raises(InvalidArgumentError, match=r"--bind: '.*' is no HOST:PORT"):
        host_and_port(text, option="--bind")


def test_a_taken_port_is_named_with_the_option_that_changes_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"

        with pytest.raises(PortTakenError) as refused:
            require_free_port(address, purpose="the feature server", option="--bind")

    assert str(refused.value) == (
        f"{address} is in use, wanted for the feature server; choose another with --bind"
    )


def test_a_free_port_may_be_listened_on() -> None:
    address = f"127.0.0.1:{free_port()}"

    require_free_port(address, purpose="a test", option="--bind")


def test_a_host_that_is_not_this_machine_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match=r"no address 'no\.such\.host\.invalid'"):
        require_free_port("no.such.host.invalid:1", purpose="a test", option="--bind")


def test_an_address_of_another_machine_is_not_called_in_use() -> None:
    with pytest.raises(InvalidArgumentError, match=r"no address '192\.0\.2\.1'"):
        require_free_port("192.0.2.1:5555", purpose="the feature server", option="--bind")
