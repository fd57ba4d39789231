"""Holding a home, and running what `up` and `demo` run in it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ..contract.environment import Environment
from ..contract.errors import InvalidArgumentError
from ..resources.deployments import SHAPES
from ..resources.offline.offline_store import OfflineStore
from ..resources.online.local_valkey import LocalValkey
from .addresses import require_free_port
from .children import Children, answer_to_signals
from .console import show
from .home import announced_server, home_lock
from .services import start_feature_server

_LOOK_AFTER_SECONDS = 2.0


@contextmanager
def served_home(
    environment: Environment, *, server: str, dagster: str | None, rest: str | None
) -> Iterator[Children]:
    """Hold a home whose features are served, for as long as the block lasts.

    Its clock must be recorded before. SIGINT, SIGTERM and SIGHUP end the block by an exception;
    however it ends, what was started is stopped.

    Args:
        environment: Whose home it is.
        server: Where the feature server listens.
        dagster: Where Dagster will listen, if the block starts it.
        rest: Where the feature server answers over HTTP, if it does.

    Raises:
        HomeInUseError: Another `up` holds the home.
        PortTakenError: Something listens there already.
        StoreUnavailableError: The embedded Valkey does not start, or an object store that is the
            offline store cannot be written to.
        UnsafeStoreError: The offline store would lose commits.
        ServiceFailedError: The feature server does not start.
    """
    answer_to_signals()
    with home_lock(environment.home):
        require_free_port(server, purpose="the feature server", option="--bind")
        if dagster is not None:
            require_free_port(dagster, purpose="Dagster's web interface", option="--dagster")
        if rest is not None:
            require_free_port(rest, purpose="the feature server", option="--rest")
        OfflineStore.from_env(environment).check()
        with LocalValkey(environment), Children(environment.home / "logs") as children:
            options = () if rest is None else ("--rest", rest)
            address = start_feature_server(children, server, *options)
            with announced_server(environment, address):
                yield children


def require_local(environment: Environment) -> None:
    """Refuse to run on one machine what runs in pods.

    Raises:
        InvalidArgumentError: The deployment is such a one.
    """
    if SHAPES[environment.deployment].is_shared:
        raise InvalidArgumentError(
            argument="HEADRACE_DEPLOYMENT",
            problem=f"the parts of {environment.deployment!r} run in pods, not on one machine",
            remedy=f"apply deploy/{environment.deployment}, or unset it here",
        )


def stay(environment: Environment, children: Children) -> None:
    """Keep everything running until Ctrl-C; what killed commands left behind is cleared away.

    Raises:
        ServiceFailedError: A child ended by itself.
        StoreUnavailableError: The embedded Valkey died, and does not start again.
    """
    from .dead_runs import end_dead_runs_of
    from .services import dagster_home

    show("Stop with Ctrl-C.")
    with suppress(KeyboardInterrupt):
        while True:
            children.check()
            end_dead_runs_of(dagster_home(environment))
            with LocalValkey(environment):  # joins it; starts it again if somebody killed it
                time.sleep(_LOOK_AFTER_SECONDS)
