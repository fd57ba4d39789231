"""A real Valkey for tests: one server for the whole run, empty for each test that asks."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from headrace.contract.environment import Environment
from headrace.resources.online.local_valkey import LocalValkey


def environment_of(home: Path) -> Environment:
    """The environment of a process that works on this home, and on nothing else."""
    return Environment.read({"HEADRACE_HOME": str(home)})


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a Valkey that lives as long as the run."""
    with LocalValkey(environment_of(tmp_path_factory.mktemp("valkey"))) as valkey:
        yield valkey.url


@pytest.fixture
def valkey_url(valkey_server: str) -> str:
    """The URL of an empty Valkey."""
    with redis.Redis.from_url(valkey_server) as client:
        client.flushall()
        client.function_flush()
    return valkey_server
