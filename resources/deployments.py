"""What is reachable from where: the stores of one deployment, as an environment names them."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from ..contract.environment import Environment
from .offline.offline_store import OfflineStore
from .online.local_valkey import LocalValkey
from .online.online_store import OnlineStore
from .online.opening import open_store
from .online.registry import Registry


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
        """The deployment that the `HEADRACE_*` variables describe."""
        return cls(environment, OfflineStore.from_env(environment))

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
