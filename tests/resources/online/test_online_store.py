from collections.abc import Iterator

import pytest
import redis

from headrace.contract.catalogue import Manifest
from headrace.contract.errors import (
    CatalogueError,
    EvictionPolicyError,
    InvalidArgumentError,
    StoreUnavailableError,
)
from headrace.contract.store_keys import catalogue_key
from headrace.resources.online.online_store import OnlineStore

pytestmark = pytest.mark.server


@pytest.fixture
def client(valkey_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(valkey_url) as client:
        yield client


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-lru"])
def test_a_store_that_evicts_is_refused(valkey_url: str, client: redis.Redis, policy: str) -> None:
    client.config_set("maxmemory-policy", policy)
    try:
        with (
            pytest.raises(EvictionPolicyError, match=policy),
            OnlineStore(valkey_url, "n") as store,
        ):
            store.check()
    finally:
        client.config_set("maxmemory-policy", "noeviction")


def test_an_unreachable_store_is_named_without_its_password() -> None:
    with (
        OnlineStore("redis://user:secret@127.0.0.1:1/0?password=secret", "n") as store,
        pytest.raises(StoreUnavailableError) as raised,
    ):
        store.check()

    assert raised.value.store == "redis://127.0.0.1:1/0"
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("url", ["http://secret@host", "redis://:sec:ret@host:port"])
def test_a_url_that_cannot_be_used_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(InvalidArgumentError) as raised:
        OnlineStore(url, "n")

    assert "sec" not in str(raised.value)


def test_functions_that_were_lost_are_loaded_again(valkey_url: str, client: redis.Redis) -> None:
    with OnlineStore(valkey_url, "n") as store:
        store.check()
        client.function_flush()

        assert store.swap(b"key", None, b"value")


def test_a_swap_happens_only_over_what_is_expected(valkey_url: str) -> None:
    with OnlineStore(valkey_url, "n") as store:
        swaps = [
            store.swap(b"key", None, b"1"),
            store.swap(b"key", None, b"2"),
            store.swap(b"key", b"1", b"3"),
            store.swap(b"key", b"1", b"4"),
        ]

    assert swaps == [True, False, True, False]


def test_an_empty_store_has_an_empty_manifest(valkey_url: str) -> None:
    with OnlineStore(valkey_url, "n") as store:
        assert store.manifest() == Manifest("n")


def test_a_manifest_that_is_gone_is_an_error(valkey_url: str, client: redis.Redis) -> None:
    client.set(catalogue_key("n"), "0123")

    with (
        OnlineStore(valkey_url, "n") as store,
        pytest.raises(CatalogueError, match="manifest 0123"),
    ):
        store.manifest()
