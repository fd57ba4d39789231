"""`headrace demo`: from raw transactions to a model's score, on real data."""

import time
from datetime import UTC, datetime
from typing import Annotated

import typer

from ..contract.json_values import instant
from .console import show
from .options import BIND, DAGSTER, Bind, DagsterAddress, Rest

_CLOCK = datetime(2018, 1, 2, tzinfo=UTC)  # the end of the day after the last transaction


def demo(
    *,
    once: Annotated[bool, typer.Option("--once", help="End after the score.")] = False,
    bind: Bind = BIND,
    dagster: DagsterAddress = DAGSTER,
    rest: Rest = None,
) -> None:
    """Run everything on real data: 1.4 million retail transactions of 2017.

    Reads them, computes and publishes five feature groups, builds a training set, trains a model,
    and scores households by features that it looks up online. Then stays up until Ctrl-C. Time
    stands at 2018-01-02; what an earlier call has computed is not computed again.
    """
    started = time.monotonic()
    from ..contract.clock import record_clock
    from ..contract.environment import Environment
    from .demonstration import demonstrate
    from .everything import require_local, served_home, stay
    from .services import start_dagster

    environment = Environment.read()
    require_local(environment)
    clock = record_clock(environment.home, environment.asked_clock or _CLOCK)
    show(f"home          {environment.home}")
    show(f"clock         {instant(clock.now())}; time stands still")
    shown = None if once else dagster
    with served_home(environment, server=bind, dagster=shown, rest=rest) as children:
        demonstrate(environment, bind)
        show(f"done          in {time.monotonic() - started:.0f} s")
        if not once:
            start_dagster(children, environment, dagster)
            _say_where_to_look(bind, dagster, rest)
            stay(environment, children)


def _say_where_to_look(bind: str, dagster: str, rest: str | None) -> None:
    show("")
    show(f"Dagster         http://{dagster}/asset-groups")
    show(f"feature server  {bind} (gRPC)")
    if rest is not None:
        show(f"                http://{rest}/docs (REST)")
    show("in another terminal, from this folder:")
    show("  .venv/bin/headrace lookup household_spend:spend_30d household_id=1")
    show("  .venv/bin/headrace status")
