from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from headrace.serving.client import FeatureClient
from headrace.tests.serving.publishing import NOW, Publisher
from headrace.tests.serving.running import served, settings


@pytest.fixture
def store(valkey_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(valkey_url) as client:
        yield client


@pytest.fixture
def publisher(store: redis.Redis) -> Publisher:
    return Publisher(store, "default")


@pytest.fixture
def server(valkey_url: str) -> Iterator[str]:
    with served(settings(valkey_url)) as address:
        yield address


@pytest.fixture
def client(server: str) -> Iterator[FeatureClient]:
    with FeatureClient(server) as made:
        yield made


@pytest.fixture
def variables(valkey_url: str, tmp_path: Path) -> dict[str, str]:
    """The environment of a server that reads the tests' Valkey at the tests' instant."""
    return {
        "HEADRACE_REDIS": valkey_url,
        "HEADRACE_HOME": str(tmp_path),
        "HEADRACE_CLOCK": NOW.isoformat(),
    }
