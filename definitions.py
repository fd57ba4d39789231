"""All that Dagster loads: what is declared, bound to the stores that the environment names."""

import gc
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from .assets.discovery import Declarations, discover
from .assets.factory.asset_graph import build_assets
from .assets.factory.code_references import linked_to_git
from .contract.clock import Clock
from .contract.environment import Environment
from .resources.deployments import Deployment
from .resources.executors import executor_of
from .resources.offline.frame_io_manager import FrameIOManager
from .sensors.automation import automation_sensor
from .sensors.failed_checks import failed_checks_sensor
from .sensors.freshness import freshness_sensor
from .sensors.late_data import late_data_sensor
from .sensors.schedules import (
    dimensions_schedule,
    garbage_schedule,
    iceberg_schedule,
    maintenance_schedule,
    source_schedule,
)
from .sensors.source_arrival import arrival_sensor
from .sensors.traced_runs import trace_sensors
from .sensors.unpublished import unpublished_sensor


@dg.definitions
def defs() -> dg.Definitions:
    """The definitions of this process; loading them again reads the clock again."""
    return build_definitions(Environment.read())


@contextmanager
def _without_collecting_garbage() -> Iterator[None]:
    """What is made while definitions load stays: looking for garbage takes a fifth of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@contextmanager
def _without_notices() -> Iterator[None]:
    """Which of Dagster's young interfaces we use is our choice, tested at a pinned version."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)
        warnings.simplefilter("ignore", dg.BetaWarning)
        yield


@_without_notices()
@_without_collecting_garbage()
def build_definitions(
    environment: Environment, declarations: Declarations | None = None
) -> dg.Definitions:
    """The definitions of an environment: its packages, its stores, its clock, its executor."""
    declarations = declarations or discover(environment.packages)
    clock = environment.clock()
    groups = list(declarations.groups.values())
    sources = list(declarations.sources.values())
    rechecked = [each for each in sources if each.late_within is not None]
    dimensions = list(declarations.dimensions.values())
    tables = declarations.tables
    deployment = Deployment.of(environment)
    assets = build_assets(declarations, clock, in_shards=deployment.shape.is_shared)
    return dg.Definitions(
        assets=linked_to_git(assets, environment.git) if environment.git else assets,
        executor=executor_of(deployment.shape),
        resources={
            "deployment": deployment,
            "io_manager": FrameIOManager.of(deployment.offline),
        },
        schedules=[
            *(source_schedule(each, clock) for each in sources if each.landing is None),
            *([dimensions_schedule(dimensions, clock)] if dimensions else []),
            *([iceberg_schedule(groups, clock)] if groups else []),
            *([maintenance_schedule(tables, clock)] if tables else []),
            *([garbage_schedule(clock)] if any(each.spec.online for each in groups) else []),
        ],
        sensors=[
            automation_sensor(),
            *(_group_sensors(declarations, clock) if groups else []),
            *trace_sensors(),
            *(arrival_sensor(each, each.landing, clock) for each in sources if each.landing),
            *([late_data_sensor(rechecked, clock)] if rechecked else []),
        ],
    )


def _group_sensors(declarations: Declarations, clock: Clock) -> list[dg.SensorDefinition]:
    groups = list(declarations.groups.values())
    return [
        unpublished_sensor(groups, list(declarations.services.values())),
        freshness_sensor(groups, clock),
        failed_checks_sensor(),
    ]
