"""Addresses of the online store: one server by its URL, or a service that Sentinel watches over.

    redis://HOST:PORT[/DB]   rediss://HOST:PORT[/DB]   unix:///PATH
    redis+sentinel://[USER:PASSWORD@]HOST:PORT[,HOST:PORT…]/SERVICE[/DB]

The hosts are those of the sentinels, user and password those of the servers; the sentinels' own are
given behind `?sentinel_username=…&sentinel_password=…`. With `rediss+sentinel` both speak TLS.
"""

from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from .errors import InvalidArgumentError

_SENTINEL = frozenset({"redis+sentinel", "rediss+sentinel"})
_CLUSTER = frozenset({"redis+cluster", "rediss+cluster"})
_SENTINEL_PORT = 26379
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


def sentinel_address(url: str) -> SentinelAddress | None:
    """The service that a URL names; `None` of a URL that names one server.

    Raises:
        InvalidArgumentError: It names a service, but cannot be read; or it names a Cluster.
    """
    parts = urlsplit(url)
    if parts.scheme in _CLUSTER:
        raise _refused(
            url,
            "a Redis Cluster is not supported as an online store",
            "name one server, or a service behind Sentinel (redis+sentinel://HOST:PORT/SERVICE)",
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
    credentials, _, hosts = parts.netloc.rpartition("@")
    username, _, password = credentials.partition(":")
    options = parse_qs(parts.query, strict_parsing=bool(parts.query))
    known = {name: options.pop(name, [None])[0] for name in _OPTIONS}
    if options:
        msg = f"unknown options {sorted(options)}"
        raise ValueError(msg)
    return SentinelAddress(
        tuple(_host(host) for host in hosts.split(",")),
        service,
        database,
        is_tls=parts.scheme.startswith("rediss"),
        username=unquote(username) or None,
        password=unquote(password) or None,
        **known,
    )


def _host(text: str) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    if not parts.hostname:
        msg = f"{text!r} names no host"
        raise ValueError(msg)
    return parts.hostname, parts.port or _SENTINEL_PORT


def _refused(url: str, problem: str, remedy: str) -> InvalidArgumentError:
    return InvalidArgumentError(
        argument=f"the online store's URL {shown_address(url)}", problem=problem, remedy=remedy
    )
