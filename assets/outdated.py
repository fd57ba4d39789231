"""Which committed partitions were computed from something that has changed since."""

from ..resources.offline.offline_store import OfflineStore
from .declarations import FeatureGroup
from .identity import computed_identity
from .pinned_inputs import PinnedInputs


def outdated_partitions(group: FeatureGroup, store: OfflineStore) -> list[str]:
    """The committed partitions of a group that would not be the same any more, in order.

    A partition of an input was computed again, as after late rows, or a missing one arrived; or the
    group's code changed. A new version of a dimension counts, too: it serves what is computed from
    then on, and nobody recomputes for it unasked.
    """
    inputs, table = PinnedInputs.of(group, store), store.table(group.table)
    return [
        partition
        for partition, commit in sorted(table.snapshot().commits.items())
        if commit.identity != computed_identity(group, inputs.uses(partition))
    ]
