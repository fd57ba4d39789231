"""Which runs compute a feature group: missing upstream partitions first, in few runs.

A plan is made of declarations and of what is committed; nothing here starts a run.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ..assets.declarations import Dimension, FeatureGroup, Source
from ..assets.model_inputs import TrainingSet
from ..assets.partitions import PARTITIONS_A_RUN
from ..assets.pinned_inputs import upstream_of
from ..contract.partitions import Partitioning
from ..resources.offline.table_spec import WHOLE

Node: TypeAlias = Source | Dimension | FeatureGroup | TrainingSet
Committed: TypeAlias = Callable[[Node], frozenset[str]]


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """Assets that one run computes, each over the same consecutive partitions.

    Attributes:
        nodes: What is computed; none of them needs another one of the same run.
        partitions: Keys in order, no more than a run computes; `("all",)` for dimensions.
    """

    nodes: tuple[Node, ...]
    partitions: tuple[str, ...]

    @property
    def range(self) -> tuple[str, str]:
        """The first and the last partition."""
        return self.partitions[0], self.partitions[-1]


def plan_runs(
    targets: Mapping[Node, Sequence[str]], committed: Committed
) -> tuple[PlannedRun, ...]:
    """The runs, in order, that compute the targets and whatever they miss.

    Args:
        targets: What to compute, whether or not it is committed; `("all",)` of a dimension.
        committed: The committed partitions of anything upstream; those are left alone.
    """
    needs: dict[Node, set[str]] = {}
    waiting: list[tuple[Node, set[str]]] = [(group, set(keys)) for group, keys in targets.items()]
    for node, wanted in waiting:  # grows while it is walked
        new = wanted - needs.setdefault(node, set())
        needs[node] |= new
        waiting += _missing_upstream(node, new, committed)
    return _runs(needs)


def planned_alone(node: Node, partitions: Iterable[str]) -> tuple[PlannedRun, ...]:
    """The runs, in order, that compute these partitions and nothing that they miss."""
    return _runs({node: set(partitions)})


def consecutive(partitioning: Partitioning, partitions: Iterable[str]) -> list[tuple[str, ...]]:
    """Cut partitions into stretches without a gap, in order."""
    stretches: list[list[str]] = []
    for key in sorted(partitions):
        if (
            stretches
            and partitioning.window(stretches[-1][-1]).end == partitioning.window(key).start
        ):
            stretches[-1].append(key)
        else:
            stretches.append([key])
    return [tuple(stretch) for stretch in stretches]


def _missing_upstream(
    node: Node, partitions: set[str], committed: Committed
) -> list[tuple[Node, set[str]]]:
    if isinstance(node, Source | Dimension):
        return []
    upstream = [upstream_of(each) for each in node.inputs]
    wanted: dict[Node, set[str]] = {
        each: {WHOLE} for each in upstream if isinstance(each, Dimension)
    }
    for partition in partitions:
        for window in node.input_windows(partition):
            wanted.setdefault(window.input.upstream, set()).update(window.partitions)
    missing = {each: keys - committed(each) for each, keys in wanted.items()}
    return [(each, keys) for each, keys in missing.items() if keys]


def _runs(needs: Mapping[Node, set[str]]) -> tuple[PlannedRun, ...]:
    # Assets of one run share their partitions: how time is cut, where it begins, which stretch.
    together: dict[tuple, list[Node]] = {}
    for node in sorted(needs, key=_depth):
        for stretch in _chunks(node, needs[node]):
            together.setdefault((_depth(node), _history(node), stretch), []).append(node)
    return tuple(PlannedRun(tuple(nodes), stretch) for (*_, stretch), nodes in together.items())


def _depth(node: Node) -> int:
    """How far a node lies from the sources."""
    if isinstance(node, Source | Dimension):
        return 0
    upstream: list[Node] = [upstream_of(each) for each in node.inputs]
    if isinstance(node, TrainingSet):
        upstream += [feature.group for feature in node.service.features]
    return 1 + max(map(_depth, upstream))


def _chunks(node: Node, partitions: set[str]) -> list[tuple[str, ...]]:
    """Stretches that one run computes, so that other runs may write the table in between."""
    if isinstance(node, Dimension):
        return [(WHOLE,)]
    return [
        stretch[first : first + PARTITIONS_A_RUN]
        for stretch in consecutive(node.partitions, partitions)
        for first in range(0, len(stretch), PARTITIONS_A_RUN)
    ]


def _history(node: Node) -> object:
    return None if isinstance(node, Dimension) else (node.partitions, node.start)
