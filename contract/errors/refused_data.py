"""Rows were refused before they were written; what was there stays in place."""

from collections.abc import Sequence

from .root import HeadraceError


class DataError(HeadraceError):
    """Rows were refused before they were written; what was there stays in place."""


class ColumnMismatchError(DataError):
    """Columns or their types are not the declared ones; nothing is ever cast silently."""

    def __init__(self, *, table: str, differences: Sequence[str]) -> None:
        """List each difference: missing, unexpected, or expected against found type."""
        self.table, self.differences = table, tuple(differences)
        super().__init__(
            f"{table}: columns differ from the declared schema: {'; '.join(differences)}."
            " Cast explicitly in the function, or change the schema",
        )


class RowsOutsidePartitionError(DataError):
    """Rows whose event timestamp does not lie in the partition that they were offered for."""

    def __init__(self, *, table: str, partition: str, count: int, window: str) -> None:
        """Say how many rows lie outside which half-open window."""
        self.table, self.partition, self.count, self.window = table, partition, count, window
        super().__init__(
            f"{table}, partition {partition}: {count} rows lie outside {window};"
            " filter by event timestamp (start <= t < end) before returning them",
        )


class DuplicateRowsError(DataError):
    """Several rows for one (entity, event timestamp), or a join key that is null."""

    def __init__(
        self, *, table: str, partition: str, count: int, key: Sequence[str], problem: str
    ) -> None:
        """Say how many rows break the key, which columns form it and how."""
        self.table, self.partition, self.count, self.key = table, partition, count, tuple(key)
        super().__init__(
            f"{table}, partition {partition}: {count} rows {problem} ({', '.join(key)});"
            " a feature group holds one row per entity and event timestamp",
        )


class SchemaChangeError(DataError):
    """A table's schema would change in a way that its readers cannot follow."""

    def __init__(self, *, table: str, changes: Sequence[str], next_version: int | None) -> None:
        """List the changes; the way forward is a new version of the group.

        `next_version` is that version's number; `None` for a table that has no versions.
        """
        self.table, self.changes, self.next_version = table, tuple(changes), next_version
        remedy = (
            "declare it under another name instead"
            if next_version is None
            else "declare the group with the next version instead, beside this one"
            f" (version={next_version}), backfill it, and promote it when it is complete"
        )
        added = "column" if next_version is None else "feature"
        super().__init__(
            f"{table}: {'; '.join(changes)}."
            f" Only adding a nullable {added} works in place; {remedy}",
        )


class SourceUnreadableError(DataError):
    """The files from which a source or a dimension is read are not there, or are no such files."""

    def __init__(self, *, source: str, reason: str, remedy: str) -> None:
        """Name where the rows should come from, what went wrong and what to do."""
        self.source, self.reason, self.remedy = source, reason, remedy
        super().__init__(f"cannot read {source}: {reason}; {remedy}")


class PartitionOutOfRangeError(DataError):
    """A partition that does not exist: before the history begins, not over yet, or misspelled."""

    def __init__(self, *, subject: str, partition: str, first: str, last: str) -> None:
        """Name the first and the last partition that exist."""
        self.subject, self.partition, self.first, self.last = subject, partition, first, last
        super().__init__(
            f"{subject} has no partition {partition!r}; they run from {first} to {last}"
        )


class InputNotCommittedError(DataError):
    """A partition cannot be computed yet, because its newest input was never committed."""

    def __init__(
        self,
        *,
        subject: str,
        partition: str,
        asset: str,
        absent: Sequence[str],
        held: Sequence[str] = (),
        reference: str = "",
    ) -> None:
        """Name what waits, and the asset that it waits for.

        `absent` lists that asset's missing partitions; it is empty when it has no partitions.
        `held` lists those, in order, that wait for approval of the group `reference`.
        """
        self.subject, self.partition, self.asset = subject, partition, asset
        self.absent, self.held = tuple(absent), tuple(held)
        keys = f", partition {', '.join(absent)}," if absent else ""
        left = [key for key in absent if key not in held]
        remedies = []
        if held:
            span = held[0] if len(held) == 1 else f"{held[0]}..{held[-1]}"
            remedies.append(
                f"it is held for approval: headrace approve {reference} --partitions {span}"
                " --reason …"
            )
        if left or not held:
            remedies.append(
                f"materialize {asset} first (`headrace materialize` computes a group's inputs, too)"
            )
        super().__init__(
            f"{subject}, partition {partition}: its input {asset}{keys} is not committed yet;"
            f" {'; '.join(remedies)}",
        )


class FunctionFailedError(DataError):
    """An author's function raised an error, so that there are no rows."""

    def __init__(self, *, error: Exception, frames: Sequence[str]) -> None:
        """Say what it raised, and through which lines of the author's code, the last one last."""
        self.frames = tuple(frames)
        said = str(error).strip().partition("\n")[0]
        super().__init__(f"{type(error).__name__}: {said} ({' → '.join(frames)})")


class EntitiesMixedError(DataError):
    """A shard made rows of entities whose rows it was not given."""

    def __init__(self, *, subject: str, partition: str, count: int) -> None:
        """Name the group, and how many rows are of other shards' entities."""
        self.subject, self.partition, self.count = subject, partition, count
        super().__init__(
            f"{subject}, partition {partition}: {count} rows are of entities that belong to another"
            " shard; a function that is computed in shards may make rows of an entity from that"
            " entity's own rows alone: change it, or declare shards=1",
        )


class ShardFailedError(DataError):
    """A shard of a partition made no rows, so that nothing of the partition was committed."""

    def __init__(
        self, *, subject: str, partition: str, shard: int, shards: int, reason: str
    ) -> None:
        """Name the shard, counted from 0, and why it has no rows."""
        self.subject, self.partition = subject, partition
        self.shard, self.shards, self.reason = shard, shards, reason
        super().__init__(
            f"{subject}, partition {partition}: shard {shard} of 0..{shards - 1} made no rows"
            f" ({reason}); remove the cause and run the partition again, all of its steps",
        )
