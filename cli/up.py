"""`headrace up`: everything that a home needs, until Ctrl-C."""

from ..contract.json_values import instant
from .console import show
from .options import BIND, DAGSTER, Bind, DagsterAddress, Rest


def up(bind: Bind = BIND, dagster: DagsterAddress = DAGSTER, rest: Rest = None) -> None:
    """Run the embedded Valkey, Dagster and the feature server, until Ctrl-C.

    One `up` runs on a home at a time; other commands join it.
    """
    from ..contract.clock import record_clock
    from ..contract.environment import Environment
    from .everything import require_local, served_home, stay
    from .services import start_dagster

    environment = Environment.read()
    require_local(environment)
    clock = record_clock(environment.home, environment.asked_clock)
    with served_home(environment, server=bind, dagster=dagster, rest=rest) as children:
        start_dagster(children, environment, dagster)
        show(f"home            {environment.home}")
        show(f"clock           {instant(clock.frozen_at) if clock.frozen_at else 'real'}")
        show(f"Dagster         http://{dagster}")
        show(f"feature server  {bind} (gRPC)")
        if rest is not None:
            show(f"                http://{rest}/docs (REST)")
        stay(environment, children)
