"""Connections to one server, ready to be read from: authenticated, and proven by a PING.

redis-py makes them (TLS, ACL users, databases, Sentinel); everything here blocks. What is read and
written afterwards goes over the bare socket (`link`).
"""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from redis.backoff import NoBackoff
from redis.connection import Connection, SSLConnection, parse_url
from redis.retry import Retry
from redis.sentinel import Sentinel

from ...contract.errors import InvalidArgumentError
from ...contract.store_address import (
    FORMS,
    ClusterAddress,
    SentinelAddress,
    sentinel_address,
    shown_address,
)
from ..settings import StoreSettings

if TYPE_CHECKING:
    import socket


class Wire:
    """A connection that has no unread replies."""

    __slots__ = ("_connection", "socket")

    def __init__(self, connection: Connection) -> None:
        """Take over a connection that is made."""
        self._connection = connection
        made: socket.socket | None = connection._sock  # noqa: SLF001  # redis-py has no public way
        assert made is not None  # noqa: S101  # it is connected
        made.settimeout(0)
        self.socket = made

    def close(self) -> None:
        """Close it; without effect from the second time on."""
        self._connection.disconnect()  # type: ignore[no-untyped-call]  # redis-py's


Dial = Callable[[], Wire]


def dial_of(settings: StoreSettings) -> Dial:
    """How to connect to the one server that a URL means at that moment.

    Raises:
        InvalidArgumentError: The URL is none that a store can have (`contract.store_address`).
    """
    seconds = settings.connect_timeout.total_seconds()
    service = sentinel_address(settings.url)
    if service is not None:
        return lambda: dialled(
            connection_to(service, _primary_of(service, seconds), settings), *said(settings)
        )
    try:
        options = parse_url(settings.url)  # type: ignore[no-untyped-call]  # redis-py's
    except ValueError:
        raise InvalidArgumentError(
            argument="the online store's URL",
            problem=f"{shown_address(settings.url)!r} cannot be used",
            remedy=f"write {FORMS}",
        ) from None  # the cause may quote the password
    kind = options.pop("connection_class", Connection)
    options |= options_of(settings)
    return lambda: dialled(kind(**options), *said(settings))


def replica_dial_of(settings: StoreSettings) -> Dial:
    """How to connect to a replica: another one each time, if there are several.

    Raises:
        InvalidArgumentError: The URL names one server.
    """
    service = sentinel_address(settings.url)
    if service is None:
        raise InvalidArgumentError(
            argument=f"the online store's URL {shown_address(settings.url)}",
            problem="it names one server, which has no replicas that could be read from",
            remedy="name a service behind Sentinel or a Cluster, or do not read from replicas",
        )
    seconds = settings.connect_timeout.total_seconds()
    return lambda: dialled(
        connection_to(service, _replica_of(service, seconds), settings), *said(settings)
    )


def dialled(connection: Connection, *commands: Sequence[str]) -> Wire:
    """Connect, say these commands, and see that the server answers."""
    try:
        connection.connect()  # type: ignore[no-untyped-call]  # redis-py's
        # A server that hangs still accepts connections.
        for words in (*commands, ("PING",)):
            connection.send_command(*words)  # type: ignore[no-untyped-call]  # redis-py's
            connection.read_response()
        return Wire(connection)
    except BaseException:
        connection.disconnect()  # type: ignore[no-untyped-call]  # redis-py's
        raise


def said(settings: StoreSettings) -> tuple[tuple[str, ...], ...]:
    """The commands with which a connection begins."""
    return (("CLIENT", "TRACKING", "ON"),) if settings.cache_bytes else ()


def options_of(settings: StoreSettings) -> dict[str, Any]:
    """Options of a connection that is given up in time, and not made a second time."""
    # What the server says unasked (which keys have changed) is told apart in the third version.
    protocol = 3 if settings.cache_bytes else 2
    return {"protocol": protocol, **_timing(settings.connect_timeout.total_seconds())}


def _timing(seconds: float) -> dict[str, Any]:
    return {
        "socket_timeout": seconds,
        "socket_connect_timeout": seconds,
        "retry": Retry(NoBackoff(), 0),
    }


def connection_to(
    named: SentinelAddress | ClusterAddress, address: tuple[str, int], settings: StoreSettings
) -> Connection:
    """To a server of a service or Cluster, not made yet."""
    kind = SSLConnection if named.is_tls else Connection
    options = {**tls_options(named), **options_of(settings)}
    if isinstance(named, SentinelAddress):
        options["db"] = named.database
    return kind(
        host=address[0],
        port=address[1],
        username=named.username,
        password=named.password,
        **options,
    )


def tls_options(named: SentinelAddress | ClusterAddress) -> dict[str, Any]:
    """The options of TLS in an address, as redis-py reads them in a URL of its own."""
    if not named.tls:
        return {}
    options: dict[str, Any] = parse_url(f"rediss://?{urlencode(named.tls)}")  # type: ignore[no-untyped-call]  # redis-py's
    del options["connection_class"]
    return options


def _primary_of(service: SentinelAddress, seconds: float) -> tuple[str, int]:
    with _sentinels(service, seconds) as sentinels:
        address: tuple[str, int] = sentinels.discover_master(service.service)  # type: ignore[no-untyped-call]  # redis-py's
    return address


def _replica_of(service: SentinelAddress, seconds: float) -> tuple[str, int]:
    with _sentinels(service, seconds) as sentinels:
        addresses: list[tuple[str, int]] = sentinels.discover_slaves(service.service)  # type: ignore[no-untyped-call]  # redis-py's
    if not addresses:
        msg = f"no replica of {service.service} is well"
        raise ConnectionError(msg)
    return random.choice(addresses)  # noqa: S311  # to spread load


@contextmanager
def _sentinels(service: SentinelAddress, seconds: float) -> Iterator[Sentinel]:
    sentinels = Sentinel(  # type: ignore[no-untyped-call]  # redis-py's
        service.sentinels,
        sentinel_kwargs={
            **_timing(seconds),
            "username": service.sentinel_username,
            "password": service.sentinel_password,
            "ssl": service.is_tls,
            **tls_options(service),
        },
    )
    try:
        yield sentinels
    finally:
        for sentinel in sentinels.sentinels:
            sentinel.close()
