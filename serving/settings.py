"""What the feature server is told at start: read once at the edge, then passed down."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

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
class StoreSettings:
    """How the online store is read.

    Attributes:
        url: Where it is, in one of the forms of `contract.store_address`.
        timeout: How long one read may take before its calls are UNAVAILABLE and the connection is
            given up. Longer than a lost packet takes to be sent again (Linux waits 200 ms at
            least), shorter than a caller waits: nothing else is delayed meanwhile.
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


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that a feature server process depends on.

    Attributes:
        bind: `host:port` (port 0: any free one) or `unix:/path`.
        clock: Reads the home's clock; called at every refresh, because a frozen clock may be moved.
        refresh_every: How often the catalogue is compared; a flip reaches the server within it.
        drain: How long calls in flight may take to finish after SIGTERM.
    """

    bind: str
    store: StoreSettings
    namespace: str
    clock: Callable[[], Clock]
    limits: Limits = Limits()
    refresh_every: timedelta = timedelta(seconds=1)
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
            store=StoreSettings(environment.redis_url),
            namespace=environment.namespace,
            clock=partial(recorded_clock, environment.home, None),
        )
