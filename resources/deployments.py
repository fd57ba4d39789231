"""The deployments `local`, `staging` and `production`, and the stores that one reaches.

`HEADRACE_DEPLOYMENT` chooses; the other variables say where its stores are. `deploy/` holds the
instance settings of Dagster for each.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from ..contract.environment import DEPLOYMENTS, Environment
from ..contract.errors import InvalidArgumentError
from ..contract.store_address import cluster_address
from .offline.offline_store import OfflineStore
from .online.local_valkey import LocalValkey
from .online.online_store import OnlineStore
from .online.opening import open_store
from .online.registry import Registry


@dataclass(frozen=True, slots=True)
class Shape:
    """What a deployment is made of.

    Attributes:
        is_shared: It lives in a Kubernetes cluster: Dagster keeps its records in Postgres, tables
            lie on S3, rows in a Redis Cluster, and each step of a run has a pod of its own.
        steps_at_once: How many steps of one run there may be at a time.
    """

    is_shared: bool
    steps_at_once: int


_LOCAL = Shape(is_shared=False, steps_at_once=1)
_STAGING = Shape(is_shared=True, steps_at_once=4)
_PRODUCTION = Shape(is_shared=True, steps_at_once=16)
SHAPES = dict(zip(DEPLOYMENTS, (_LOCAL, _STAGING, _PRODUCTION), strict=True))


@dataclass(frozen=True, slots=True)
class Publishing:
    """An online store that is open for publishing, and the registry of what is published in it."""

    online: OnlineStore
    registry: Registry


@dataclass(frozen=True, slots=True)
class Deployment:
    """The stores that assets, sensors and commands work with.

    Nothing is opened before it is used: computing offline needs no online store. Passwords stay in
    here: Dagster would show the configuration of a resource of its own kind.
    """

    environment: Environment
    offline: OfflineStore

    @classmethod
    def of(cls, environment: Environment) -> "Deployment":
        """The deployment that the `HEADRACE_*` variables describe.

        Raises:
            InvalidArgumentError: Pods could not share the stores that they name.
        """
        if SHAPES[environment.deployment].is_shared:
            _check_shared(environment)
        return cls(environment, OfflineStore.from_env(environment))

    @property
    def shape(self) -> Shape:
        """What it is made of."""
        return SHAPES[self.environment.deployment]

    @contextmanager
    def publishing(self, *, start: bool = True) -> Iterator[Publishing]:
        """Open the online store; the embedded Valkey of the home is joined, or started.

        With `start=False` it is used as it is: whoever looks in every minute must not start a
        server each time.

        Raises:
            StoreUnavailableError: It does not answer.
            EvictionPolicyError: It would evict rows when its memory is full.
        """
        with ExitStack() as stack:
            if start:
                stack.enter_context(LocalValkey(self.environment))
            online = stack.enter_context(open_store(self.environment))
            online.check()
            yield Publishing(online, Registry(online, self.offline))


def _check_shared(environment: Environment) -> None:
    """Refuse what is a pod's own: a folder, an embedded Valkey; and a server that cannot grow."""
    if not environment.offline.startswith("s3://"):
        raise InvalidArgumentError(
            argument="HEADRACE_OFFLINE",
            problem=f"the deployment {environment.deployment!r} keeps its tables where all of its"
            f" pods see them; {environment.offline!r} is a folder",
            remedy="name an address as s3://bucket/prefix",
        )
    if cluster_address(environment.redis_url) is None:
        raise InvalidArgumentError(
            argument="HEADRACE_REDIS",
            problem=f"the deployment {environment.deployment!r} publishes to a Redis Cluster, and"
            " this names none",
            remedy="name some of its nodes: redis+cluster://HOST:PORT,HOST:PORT",
        )
