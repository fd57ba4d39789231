"""What a step's pod is made of beyond the instance's settings; inert where steps have no pods."""

import math
from collections.abc import Mapping
from typing import Any

from ..declarations import Tags


def op_tags(resources: Tags) -> Mapping[str, Any]:
    """The tags of a step by which dagster-k8s asks for these resources.

    They are requested, and limits as well, so that nobody suffers from a step that takes more than
    it said; but for CPUs: idle ones are free to be used, and a limit would only slow the step down.
    Polars would start a thread for each CPU of the node; it is told how many are the step's.
    """
    if not resources:
        return {}
    requests = dict(resources)
    limits = {name: quantity for name, quantity in resources if name != "cpu"}
    container: dict[str, Any] = {"resources": {"requests": requests, "limits": limits}}
    if "cpu" in requests:
        threads = str(math.ceil(_cpus(requests["cpu"])))
        container["env"] = [{"name": "POLARS_MAX_THREADS", "value": threads}]
    return {"dagster-k8s/config": {"container_config": container}}


def _cpus(quantity: str) -> float:
    return float(quantity[:-1]) / 1000 if quantity.endswith("m") else float(quantity)
