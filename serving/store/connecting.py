"""Connections to one server, ready to be read from: authenticated, and proven by a PING.

redis-py makes them (TLS, ACL users, databases, Sentinel); everything here blocks. What is read and
written afterwards goes over the bare socket (`link`).
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from redis.backoff import NoBackoff
from redis.connection import Connection, SSLConnection, parse_url
from redis.retry import Retry
from redis.sentinel import Sentinel

from ...contract.errors import InvalidArgumentError
from ...contract.store_address import SentinelAddress, sentinel_address, shown_address
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
        return lambda: _dialled(_of_service(service, seconds))
    try:
        options = parse_url(settings.url)  # type: ignore[no-untyped-call]  # redis-py's
    except ValueError:
        raise InvalidArgumentError(
            argument="the online store's URL",
            problem=f"{shown_address(settings.url)!r} cannot be used",
            remedy="write redis://HOST:PORT, rediss://HOST:PORT, unix:///PATH,"
            " redis+sentinel://HOST:PORT/SERVICE or redis+cluster://HOST:PORT",
        ) from None  # the cause may quote the password
    kind = options.pop("connection_class", Connection)
    timing = _timing(seconds)
    return lambda: _dialled(kind(**{**options, **timing}))


def _dialled(connection: Connection) -> Wire:
    try:
        connection.connect()  # type: ignore[no-untyped-call]  # redis-py's
        # A server that hangs still accepts connections.
        connection.send_command("PING")  # type: ignore[no-untyped-call]  # redis-py's
        connection.read_response()
        return Wire(connection)
    except BaseException:
        connection.disconnect()  # type: ignore[no-untyped-call]  # redis-py's
        raise


def _of_service(service: SentinelAddress, seconds: float) -> Connection:
    """To the primary that a sentinel names now."""
    sentinels = Sentinel(  # type: ignore[no-untyped-call]  # redis-py's
        service.sentinels,
        sentinel_kwargs={
            **_timing(seconds),
            "username": service.sentinel_username,
            "password": service.sentinel_password,
            "ssl": service.is_tls,
        },
    )
    try:
        host, port = sentinels.discover_master(service.service)  # type: ignore[no-untyped-call]  # redis-py's
    finally:
        for sentinel in sentinels.sentinels:
            sentinel.close()
    kind = SSLConnection if service.is_tls else Connection
    return kind(
        host=host,
        port=port,
        db=service.database,
        username=service.username,
        password=service.password,
        **_timing(seconds),
    )


def _timing(seconds: float) -> dict[str, Any]:
    return {
        "protocol": 2,
        "socket_timeout": seconds,
        "socket_connect_timeout": seconds,
        "retry": Retry(NoBackoff(), 0),
    }
