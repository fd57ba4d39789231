"""What the feature server is told at start: read once at the edge, then passed down."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Literal

from ..contract.clock import Clock, recorded_clock
from ..contract.environment import Environment

DEFAULT_BIND = "127.0.0.1:50051"


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one request may ask for, and how many calls may be open at once.

    Attributes:
        entities: Entities of one request.
        features: Feature references of one request.
        rows: Entities times feature groups: what one read of the store fetches.
        calls: Open calls; more are answered RESOURCE_EXHAUSTED.
    """

    entities: int = 10_000
    features: int = 1_000
    rows: int = 100_000
    calls: int = 1_000


@dataclass(frozen=True, slots=True)
class RestSettings:
    """How the server answers over HTTP.

    Attributes:
        bind: `host:port` (port 0: any free one); `None`: there is no REST.
        calls: Calls that are answered at once; more are told to come again.
        values: Feature values of one answer: entities times features.
        body_bytes: The longest body.
        body_timeout: How long a caller may take to send one.
    """

    bind: str | None = None
    calls: int = 100
    values: int = 100_000
    body_bytes: int = 4 * 2**20
    body_timeout: timedelta = timedelta(seconds=10)


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
        store_timeout: How long one read of the store may take before its calls are UNAVAILABLE.
        drain: How long calls in flight may take to finish after SIGTERM.
    """

    bind: str
    redis_url: str
    namespace: str
    clock: Callable[[], Clock]
    limits: Limits = Limits()
    rest: RestSettings = RestSettings()
    metrics: MetricsSettings = MetricsSettings()
    log: LogSettings = LogSettings()
    traces: TraceSettings = TraceSettings()
    refresh_every: timedelta = timedelta(seconds=1)
    store_timeout: timedelta = timedelta(milliseconds=500)
    drain: timedelta = timedelta(seconds=10)

    @classmethod
    def of(cls, environment: Environment, *, bind: str) -> "Settings":
        """The settings of a server in this environment.

        Raises:
            ClockConflictError: `HEADRACE_CLOCK` differs from the one recorded in the home.
        """
        environment.clock()
        return cls(
            bind=bind,
            redis_url=environment.redis_url,
            namespace=environment.namespace,
            clock=partial(recorded_clock, environment.home, None),
        )
