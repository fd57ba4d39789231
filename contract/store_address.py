"""Addresses of the online store: one server, a service that Sentinel watches over, or a Cluster.

    redis://HOST:PORT[/DB]   rediss://HOST:PORT[/DB]   unix:///PATH
    redis+sentinel://[USER:PASSWORD@]HOST:PORT[,HOST:PORT…]/SERVICE[/DB]
    redis+cluster://[USER:PASSWORD@]HOST:PORT[,HOST:PORT…]

User and password are those of the servers. Behind Sentinel the hosts are those of the sentinels,
whose own user and password are given behind `?sentinel_username=…&sentinel_password=…`; of a
Cluster they are some of its nodes, which name the others. With `rediss` all of them speak TLS; then
`?` may be followed by what redis-py understands of it (`ssl_ca_certs`, `ssl_certfile`, …). Without,
certificates are checked against those that the machine trusts, or `SSL_CERT_FILE`.
"""

from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from .errors import InvalidArgumentError

FORMS = (
    "redis://HOST:PORT, rediss://HOST:PORT, unix:///PATH, redis+sentinel://HOST:PORT/SERVICE"
    " or redis+cluster://HOST:PORT"
)
"""Every form there is, for messages."""

_SENTINEL = frozenset({"redis+sentinel", "rediss+sentinel"})
_CLUSTER = frozenset({"redis+cluster", "rediss+cluster"})
_ONE_SERVER = frozenset({"redis", "rediss", "unix"})
_SENTINEL_PORT = 26379
_SERVER_PORT = 6379
_OPTIONS = ("sentinel_username", "sentinel_password")
_TLS_OPTIONS = frozenset(
    {
        *("ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs"),
        *("ssl_check_hostname", "ssl_min_version", "ssl_ciphers"),
    }
)


@dataclass(frozen=True, slots=True)
class SentinelAddress:
    """A primary that is asked for at each connection, because a failover makes it another one.

    Attributes:
        sentinels: Host and port of each.
        service: What the sentinels call the primary and its replicas.
        username: Of the servers, as is `password`.
        sentinel_username: Of the sentinels, as is `sentinel_password`.
        tls: Options of TLS, of servers and sentinels, by redis-py's names.
    """

    sentinels: tuple[tuple[str, int], ...]
    service: str
    database: int = 0
    is_tls: bool = False
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    sentinel_username: str | None = None
    sentinel_password: str | None = field(default=None, repr=False)
    tls: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ClusterAddress:
    """Some nodes of a Cluster, which name the others; user, password and TLS are those of all."""

    nodes: tuple[tuple[str, int], ...]
    is_tls: bool = False
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: tuple[tuple[str, str], ...] = ()


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
        tls = _tls(parse_qs(parts.query, strict_parsing=bool(parts.query)), parts)
    except ValueError:
        nodes = ()
    if not nodes or parts.path.strip("/"):
        raise _refused(
            url, "it cannot be used", "write redis+cluster://HOST:PORT,HOST:PORT"
        ) from None  # the cause may quote the password
    return ClusterAddress(nodes, parts.scheme.startswith("rediss"), username, password, tls)


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
    """Where a store is, without user, password and options; of no URL, what might be a place."""
    if "://" not in url:
        return url.rpartition("@")[2].partition("?")[0]
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def printed_address(url: str) -> str:
    """The URL without the passwords in it: what else it says is needed to use it."""
    parts = urlsplit(url)
    credentials, at, hosts = parts.netloc.rpartition("@")
    options = [
        option for option in parts.query.split("&") if "password" not in option.partition("=")[0]
    ]
    location = f"{credentials.partition(':')[0]}{at}{hosts}".removeprefix("@")
    return parts._replace(netloc=location, query="&".join(options)).geturl()


def require_store_address(url: str) -> None:
    """See to it that a URL is one of those that a store can have.

    Raises:
        InvalidArgumentError: It is not.
    """
    if cluster_address(url) is not None or sentinel_address(url) is not None:
        return
    parts = urlsplit(url)
    try:
        is_right = parts.path.startswith("/") if parts.scheme == "unix" else parts.port != 0
    except ValueError:
        is_right = False
    if parts.scheme not in _ONE_SERVER or not is_right:
        raise _refused(
            url,
            "it cannot be used",
            f"write {FORMS}",
        )


def _read(parts: SplitResult, service: str, database: int) -> SentinelAddress:
    username, password, sentinels = _network_location(parts, _SENTINEL_PORT)
    options = parse_qs(parts.query, strict_parsing=bool(parts.query))
    known = {name: options.pop(name, [None])[0] for name in _OPTIONS}
    tls = _tls(options, parts)
    return SentinelAddress(
        sentinels,
        service,
        database,
        is_tls=parts.scheme.startswith("rediss"),
        username=username,
        password=password,
        tls=tls,
        **known,
    )


def _tls(options: dict[str, list[str]], parts: SplitResult) -> tuple[tuple[str, str], ...]:
    known = _TLS_OPTIONS if parts.scheme.startswith("rediss") else frozenset()
    unknown = options.keys() - known
    if unknown:
        msg = f"unknown options {sorted(unknown)}"
        raise ValueError(msg)
    return tuple(sorted((name, given[0]) for name, given in options.items()))


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
