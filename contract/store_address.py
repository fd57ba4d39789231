"""Addresses of the online store: one server, a service that Sentinel watches over, or a Cluster.

    redis://HOST:PORT[/DB]   rediss://HOST:PORT[/DB]   unix:///PATH
    redis+sentinel://[USER:PASSWORD@]HOST:PORT[,HOST:PORT…]/SERVICE[/DB]
    redis+cluster://[USER:PASSWORD@]HOST:PORT[,HOST:PORT…]

User and password are those of the servers. Behind Sentinel the hosts are those of the sentinels,
whose own user and password are given behind `?sentinel_username=…&sentinel_password=…`; of a
Cluster they are some of its nodes, which name the others. With `rediss+` all of them speak TLS.
"""

from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from .errors import InvalidArgumentError

_SENTINEL = frozenset({"redis+sentinel", "rediss+sentinel"})
_CLUSTER = frozenset({"redis+cluster", "rediss+cluster"})
_SENTINEL_PORT = 26379
_SERVER_PORT = 6379
_OPTIONS = ("sentinel_username", "sentinel_password")


@dataclass(frozen=True, slots=True)
class SentinelAddress:
    """A primary that is asked for at each connection, because a failover makes it another one.

    Attributes:
        sentinels: Host and port of each.
        service: What the sentinels call the primary and its replicas.
        username: Of the servers, as is `password`.
        sentinel_username: Of the sentinels, as is `sentinel_password`.
    """

    sentinels: tuple[tuple[str, int], ...]
    service: str
    database: int = 0
    is_tls: bool = False
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    sentinel_username: str | None = None
    sentinel_password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class ClusterAddress:
    """Some nodes of a Cluster, which name the others; user and password are those of all."""

    nodes: tuple[tuple[str, int], ...]
    is_tls: bool = False
    username: str | None = None
    password: str | None = field(default=None, repr=False)


def cluster_address(url: str) -> ClusterAddress | None:
    """The Cluster that a URL names; `None` of any other URL.

    Raises:
        InvalidArgumentError: It names a Cluster, but cannot be read.
    """
    parts = urlsplit(url)
    if parts.scheme not in _CLUSTER:
        return None
    try:
        username, password, nodes = _network_location(parts, _SERVER_PORT)
    except ValueError:
        nodes = ()
    if not nodes or parts.path.strip("/") or parts.query:
        raise _refused(
            url, "it cannot be used", "write redis+cluster://HOST:PORT,HOST:PORT"
        ) from None  # the cause may quote the password
    return ClusterAddress(nodes, parts.scheme.startswith("rediss"), username, password)


def sentinel_address(url: str) -> SentinelAddress | None:
    """The service that a URL names; `None` of a URL that names one server.

    Raises:
        InvalidArgumentError: It names a service, but cannot be read; or it names a Cluster.
    """
    parts = urlsplit(url)
    if parts.scheme in _CLUSTER:
        raise _refused(
            url,
            "it names a Cluster, where one server or a service is meant",
            "write redis://HOST:PORT, or redis+sentinel://HOST:PORT,HOST:PORT/SERVICE",
        )
    if parts.scheme not in _SENTINEL:
        return None
    service, _, database = parts.path.strip("/").partition("/")
    try:
        address = _read(parts, unquote(service), int(database or 0))
    except ValueError:
        address = None
    if address is None or not service:
        raise _refused(
            url,
            "it cannot be used",
            "write redis+sentinel://HOST:PORT,HOST:PORT/SERVICE",
        ) from None  # the cause may quote the password
    return address


def shown_address(url: str) -> str:
    """Where a store is, without user, password and options."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _read(parts: SplitResult, service: str, database: int) -> SentinelAddress:
    username, password, sentinels = _network_location(parts, _SENTINEL_PORT)
    options = parse_qs(parts.query, strict_parsing=bool(parts.query))
    known = {name: options.pop(name, [None])[0] for name in _OPTIONS}
    if options:
        msg = f"unknown options {sorted(options)}"
        raise ValueError(msg)
    return SentinelAddress(
        sentinels,
        service,
        database,
        is_tls=parts.scheme.startswith("rediss"),
        username=username,
        password=password,
        **known,
    )


def _network_location(
    parts: SplitResult, port: int
) -> tuple[str | None, str | None, tuple[tuple[str, int], ...]]:
    credentials, _, hosts = parts.netloc.rpartition("@")
    username, _, password = credentials.partition(":")
    addresses = tuple(_host(host, port) for host in hosts.split(","))
    return unquote(username) or None, unquote(password) or None, addresses


def _host(text: str, port: int) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    if not parts.hostname:
        msg = f"{text!r} names no host"
        raise ValueError(msg)
    return parts.hostname, parts.port or port


def _refused(url: str, problem: str, remedy: str) -> InvalidArgumentError:
    return InvalidArgumentError(
        argument=f"the online store's URL {shown_address(url)}", problem=problem, remedy=remedy
    )
