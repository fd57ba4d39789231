"""The client of an online store: of one server, or of whichever a service's primary is by now."""

from typing import Any
from urllib.parse import urlencode

import redis
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelConnectionPool

from ...contract.errors import InvalidArgumentError
from ...contract.store_address import (
    FORMS,
    ClusterAddress,
    SentinelAddress,
    sentinel_address,
    shown_address,
)

_CONNECT_SECONDS = 5.0
OPTIONS: dict[str, Any] = {"socket_timeout": 30.0, "socket_connect_timeout": _CONNECT_SECONDS}


def connected(url: str) -> redis.Redis:
    """A client of the store at a URL; it connects when it is first used.

    Raises:
        InvalidArgumentError: `url` is none that a store can have (`contract.store_address`).
    """
    # Every call may be repeated; once is enough for a connection that was dropped idle.
    options = {**OPTIONS, "retry": Retry(NoBackoff(), 1)}
    service = sentinel_address(url)
    if service is not None:
        return _primary(service, options)
    try:
        return redis.Redis.from_url(url, **options)
    except ValueError:
        raise InvalidArgumentError(
            argument="the online store's URL",
            problem=f"{shown_address(url)!r} cannot be used",
            remedy=f"write {FORMS}",
        ) from None  # the cause may quote the password


def tls_options(named: SentinelAddress | ClusterAddress) -> dict[str, Any]:
    """The options of TLS in an address, as redis-py reads them in a URL of its own."""
    if not named.tls:
        return {}
    options: dict[str, Any] = parse_url(f"rediss://?{urlencode(named.tls)}")  # type: ignore[no-untyped-call]  # redis-py's
    del options["connection_class"]
    return options


def disconnect(client: redis.Redis) -> None:
    """Give a client's connections back; the next use makes new ones."""
    client.close()
    pool = client.connection_pool
    if isinstance(pool, SentinelConnectionPool):
        for sentinel in pool.sentinel_manager.sentinels:
            sentinel.close()


def _primary(service: SentinelAddress, options: dict[str, Any]) -> redis.Redis:
    """Asks a sentinel for the primary at each new connection."""
    sentinels = Sentinel(  # type: ignore[no-untyped-call]  # redis-py's
        service.sentinels,
        sentinel_kwargs={
            "socket_timeout": _CONNECT_SECONDS,
            "socket_connect_timeout": _CONNECT_SECONDS,
            "username": service.sentinel_username,
            "password": service.sentinel_password,
            "ssl": service.is_tls,
            **tls_options(service),
        },
    )
    client: redis.Redis = sentinels.master_for(  # type: ignore[no-untyped-call]  # redis-py's
        service.service,
        db=service.database,
        username=service.username,
        password=service.password,
        ssl=service.is_tls,
        **tls_options(service),
        **options,
    )
    return client
