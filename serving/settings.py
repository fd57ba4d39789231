"""What the feature server is told at start: read once at the edge, then passed down."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Literal

from ..contract.clock import Clock, recorded_clock
from ..contract.environment import Environment
from ..contract.errors import InvalidArgumentError

DEFAULT_BIND = "127.0.0.1:50051"


def _require_above_zero(table: str, settings: object, *names: str) -> None:
    for name in names:
        value = getattr(settings, name)
        if value <= type(value)(0):
            raise InvalidArgumentError(
                argument=f"{table}.{name}" if table else name,
                problem="it is not above zero",
                remedy="leave it out, or raise it",
            )


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one request may ask for, and how many calls may be open at once.

    Attributes:
        entities: Entities of one request.
        features: Feature references of one request.
        rows: Entities times feature groups: what one read of the store fetches.
        calls: Open calls; more are answered RESOURCE_EXHAUSTED.
        streams: Open streaming calls of features; more are answered so, too.
        watches: Open watches of health and reflections, which no other limit refuses.
        message_bytes: The size of one message that is received.
        message_wait: How long a call may be open without its (first) message.
        abandoned: Calls a minute of one connection that may end without their message.
    """

    entities: int = 10_000
    features: int = 1_000
    rows: int = 100_000
    calls: int = 1_000
    streams: int = 256
    watches: int = 128
    message_bytes: int = 4 * 2**20
    message_wait: timedelta = timedelta(seconds=10)
    abandoned: int = 300

    def __post_init__(self) -> None:
        """Refuse limits under which nothing would ever be answered.

        Raises:
            InvalidArgumentError: One that has to be above zero is not.
        """
        _require_above_zero(
            "limits",
            self,
            *("entities", "features", "rows", "calls", "message_bytes"),
            *("message_wait", "abandoned"),
        )


@dataclass(frozen=True, slots=True)
class RateLimits:
    """How often one may ask; what is not named has no limit.

    Attributes:
        callers: Calls a second by caller; `*` stands for each caller that is not named.
        groups: Rows a second by the name of a feature group; `*` as above.
    """

    callers: Mapping[str, float] | None = None
    groups: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """How the server proves who it is, and whether its callers have to.

    Attributes:
        certificate: A PEM file: the server's certificate, then those between it and its root.
        key: A PEM file: its private key.
        client_ca: A PEM file: who may vouch for callers. Without it, callers need no certificate.
    """

    certificate: Path
    key: Path
    client_ca: Path | None = None


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """How the online store is read.

    Attributes:
        url: Where it is, in one of the forms of `contract.store_address`.
        timeout: How long the store may be silent before the calls that wait for it are UNAVAILABLE
            and the connection is given up. Longer than a lost packet takes to be sent again (Linux
            waits 200 ms at least), shorter than a caller waits: nothing else is delayed meanwhile.
        connect_timeout: How long a read waits for a connection, and a probe for its answer.
        flights: Reads in flight at once on each connection.
        keys_at_once: Keys of one command, so that the store stays responsive to others.
        waiting_readings: Readings that may wait to be sent; more are RESOURCE_EXHAUSTED.
        waiting_keys: Keys that may.
        cache_bytes: How much of what each server has told is kept here, for as long as the server
            does not say that it has changed; 0 for nothing.
        from_replicas: Read from replicas; what one of them does not have is read of the primary.
    """

    url: str
    timeout: timedelta = timedelta(milliseconds=250)
    connect_timeout: timedelta = timedelta(seconds=1)
    flights: int = 4
    keys_at_once: int = 10_000
    waiting_readings: int = 4_096
    waiting_keys: int = 1_000_000
    from_replicas: bool = False
    cache_bytes: int = 0

    def __post_init__(self) -> None:
        """Refuse settings under which nothing would ever be read.

        Raises:
            InvalidArgumentError: One that has to be above zero is not.
        """
        _require_above_zero(
            "store",
            self,
            *("timeout", "connect_timeout", "flights", "keys_at_once"),
            *("waiting_readings", "waiting_keys"),
        )


@dataclass(frozen=True, slots=True)
class RestSettings:
    """How the server answers over HTTP.

    Attributes:
        bind: `host:port` (port 0: any free one); `None`: there is no REST.
        calls: Calls that are answered at once; more are told to come again.
        connections: Open connections; more are closed at once. Idle ones are closed after 5 s.
        header_timeout: How long a caller may take to send the headers of a request, and how long
            to take its answer.
        values: Feature values of one answer: entities times features.
        body_bytes: The longest body.
        body_timeout: How long a caller may take to send one.
        timeout: How long a call may take from then on.
    """

    bind: str | None = None
    calls: int = 100
    connections: int = 1_000
    header_timeout: timedelta = timedelta(seconds=10)
    values: int = 100_000
    body_bytes: int = 4 * 2**20
    body_timeout: timedelta = timedelta(seconds=10)
    timeout: timedelta = timedelta(seconds=5)

    def __post_init__(self) -> None:
        """Refuse settings under which nothing would ever be answered.

        Raises:
            InvalidArgumentError: One that has to be above zero is not.
        """
        _require_above_zero(
            "rest",
            self,
            *("calls", "connections", "header_timeout", "values"),
            *("body_bytes", "body_timeout", "timeout"),
        )


@dataclass(frozen=True, slots=True)
class MetricsSettings:
    """Where metrics and health are shown, beside REST or without it.

    Attributes:
        bind: `host:port`; worker n of several listens n ports further. `None`: nowhere else.
    """

    bind: str | None = None


@dataclass(frozen=True, slots=True)
class LogSettings:
    """What is logged, and how.

    Attributes:
        format: Lines of text, or of JSON.
        level: What is less than this is not logged.
        access: Whether every call is: its method, status and time, never its entities.
    """

    format: Literal["text", "json"] = "text"
    level: Literal["debug", "info", "warning", "error"] = "info"
    access: bool = False


@dataclass(frozen=True, slots=True)
class TraceSettings:
    """Which calls become spans.

    Attributes:
        endpoint: Where spans are sent by OTLP over gRPC; `None`: there are none.
        ratio: The share of calls that begin a trace. A call whose caller has a trace belongs to
            it, if and only if that is sampled.
    """

    endpoint: str | None = None
    ratio: float = 0.01


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that a feature server process depends on.

    Attributes:
        bind: `host:port` (port 0: any free one) or `unix:/path`.
        clock: Reads the home's clock; called at every refresh, because a frozen clock may be moved.
        refresh_every: How often the catalogue is compared; a flip reaches the server within it.
        drain: How long calls in flight may take to finish after SIGTERM.
        rates: How often callers may call, and groups be asked for.
        tls: Certificates; plaintext without.
        shares_port: Workers of one supervisor listen on the same port.
        worker: Its number among them; `None` without a supervisor.
        transport: `lean`, `aio`, or `auto` for the one that works best here.
        workers: Processes that serve; several have a supervisor.
    """

    bind: str
    store: StoreSettings
    namespace: str
    clock: Callable[[], Clock]
    limits: Limits = Limits()
    rest: RestSettings = RestSettings()
    metrics: MetricsSettings = MetricsSettings()
    log: LogSettings = LogSettings()
    traces: TraceSettings = TraceSettings()
    refresh_every: timedelta = timedelta(seconds=1)
    drain: timedelta = timedelta(seconds=10)
    rates: RateLimits = RateLimits()
    tls: TlsSettings | None = None
    shares_port: bool = False
    worker: int | None = None
    transport: Literal["auto", "lean", "aio"] = "auto"
    workers: int = 1

    def __post_init__(self) -> None:
        """Refuse settings under which nothing would be served.

        Raises:
            InvalidArgumentError: One that has to be above zero is not.
        """
        _require_above_zero("", self, "workers", "refresh_every")

    @classmethod
    def of(cls, environment: Environment, *, bind: str) -> "Settings":
        """The settings of a server in this environment.

        Raises:
            ClockConflictError: `HEADRACE_CLOCK` differs from the one recorded in the home.
        """
        environment.clock()
        return cls(
            bind=bind,
            store=StoreSettings(environment.redis_url),
            namespace=environment.namespace,
            clock=partial(recorded_clock, environment.home, None),
        )
