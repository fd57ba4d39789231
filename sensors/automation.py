"""The sensor that carries out the assets' own conditions."""

import dagster as dg

from .priorities import CAUSED, priority


def automation_sensor() -> dg.AutomationConditionSensorDefinition:
    """Requests what the conditions of all assets ask for; runs at once, unlike Dagster's own."""
    return dg.AutomationConditionSensorDefinition(
        "automation",
        target="*",
        default_status=dg.DefaultSensorStatus.RUNNING,
        run_tags=priority(CAUSED),
        description="Computes exactly the partitions whose inputs changed, and publishes them.",
    )
