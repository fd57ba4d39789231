"""The asset graph as text, to be reviewed when it changes.

`python -m headrace.tests.asset_graph` writes it anew.
"""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph, AssetNode
from dagster._core.definitions.freshness import TimeWindowFreshnessPolicy

from headrace.contract.environment import Environment
from headrace.definitions import build_definitions

SNAPSHOT = Path(__file__).with_name("asset_graph.txt")


def asset_graph(home: Path) -> str:
    """Keys, inputs, partitions, checks, automation, of everything that this repository declares."""
    environment = Environment.read(
        {"HEADRACE_HOME": str(home), "HEADRACE_CLOCK": "2018-01-02T00:00:00Z"}
    )
    definitions = build_definitions(environment)
    graph = definitions.resolve_asset_graph()
    nodes = [graph.get(key) for key in sorted(graph.get_all_asset_keys())]
    lines = [line for node in nodes for line in _asset(node, graph)]
    return "\n".join([*lines, *_instigators(definitions)]) + "\n"


def _asset(node: AssetNode, graph: AssetGraph) -> Iterator[str]:
    spec = node.assets_def.get_asset_spec(node.key)
    yield f"{node.key.to_user_string()}"
    kinds = ", ".join(sorted(spec.kinds))
    yield f"    in {node.group_name}, by {', '.join(spec.owners)}, of {kinds}"
    if node.partitions_def is not None:
        keys = node.partitions_def.get_partition_keys()
        yield f"    {len(keys)} partitions {keys[0]}..{keys[-1]}, {node.backfill_policy}"
    for dep in sorted(spec.deps, key=lambda each: each.asset_key):
        mapping = dep.partition_mapping
        offset = getattr(mapping, "start_offset", 0)
        yield f"    from {dep.asset_key.to_user_string()}" + (f" [{offset}, 0]" if offset else "")
    for key in sorted(node.check_keys):
        check = graph.get_check_spec(key)
        partitioned = "partitioned" if check.partitions_def is not None else "whole"
        yield f"    check {key.name}: {partitioned}, {'blocking' if check.blocking else 'warning'}"
    if isinstance(spec.freshness_policy, TimeWindowFreshnessPolicy):
        yield f"    fresh within {spec.freshness_policy.fail_window.to_timedelta()}"
    yield f"    pool {', '.join(sorted(node.pools or ()))}"
    condition = spec.automation_condition
    yield "    automation " + ("none" if condition is None else _spelled(condition))


def _spelled(condition: dg.AutomationCondition) -> str:
    label = condition.get_label()
    if label is not None:
        return label
    children = [_spelled(child) for child in condition.children]
    return f"{condition.name.lower()}({', '.join(children)})" if children else condition.name


def _instigators(definitions: dg.Definitions) -> Iterator[str]:
    repository = definitions.get_repository_def()
    for sensor in sorted(repository.sensor_defs, key=lambda each: each.name):
        yield f"sensor {sensor.name}: {sensor.default_status.value}"
    for schedule in sorted(repository.schedule_defs, key=lambda each: each.name):
        yield f"schedule {schedule.name}: {schedule.cron_schedule}, {schedule.default_status.value}"


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as home:
        SNAPSHOT.write_text(asset_graph(Path(home)))
