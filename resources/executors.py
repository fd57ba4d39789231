"""Where the steps of a run are executed."""

import dagster as dg

from .deployments import Shape


def executor_of(shape: Shape) -> dg.ExecutorDefinition:
    """In the process of their run, one after the other, or each in a pod of its own.

    Locally starting a process for each costs ten seconds, and most steps take less than one. Pods
    are made like that of their run, which the instance's settings describe; an asset's tags may ask
    for other resources.
    """
    if not shape.is_shared:
        return dg.in_process_executor
    from dagster_k8s import k8s_job_executor  # noqa: PLC0415 - its client loads for half a second

    return k8s_job_executor.configured({"max_concurrent": shape.steps_at_once}, name="k8s")
