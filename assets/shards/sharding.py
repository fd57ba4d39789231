"""Which groups can be computed in shards, and what each shard sees of their inputs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import polars as pl

from ...contract.errors import DefinitionError, EntitiesMixedError
from ...resources.offline.entity_buckets import is_in_buckets
from ...resources.offline.table_snapshot import TableSnapshot
from ..declarations import AnyInput, Entity, FeatureGroup, Input
from ..pinned_inputs import PinnedInputs, subject, upstream_of


def checked_shards(
    named: str, shards: int, *, buckets: int, entity: Entity, inputs: Iterable[AnyInput]
) -> int:
    """The number of shards, if the rows of every input can be dealt out to them by entity.

    Raises:
        DefinitionError: They cannot, or there are more shards than entity buckets.
    """
    if type(shards) is not int or not 1 <= shards <= buckets:
        raise DefinitionError(
            subject=named,
            field="shards",
            problem=f"{shards!r} is no number of shards of {buckets} entity buckets",
            remedy="Pass an integer from 1 to the number of buckets; each shard takes some",
        )
    for each in inputs if shards > 1 else ():
        lacking = _lacking(each, entity)
        if isinstance(each, Input) and lacking:
            raise DefinitionError(
                subject=named,
                field=f"source {each.name!r}",
                problem=f"its rows cannot be dealt out to shards by {entity.name}: it has no"
                f" {', '.join(lacking)}",
                remedy="Carry the join keys in it, with the entity's types, or declare shards=1",
            )
    return shards


def _lacking(each: AnyInput, entity: Entity) -> list[str]:
    """The join keys that an input does not carry, with their types."""
    columns = upstream_of(each).table.schema
    wanted = pl.Schema(entity.join_keys)
    return [f"{name} ({dtype})" for name, dtype in wanted.items() if columns.get(name) != dtype]


@dataclass(frozen=True, slots=True)
class Shard:
    """Some entity buckets of a group: those whose number gives `number` modulo the shards."""

    group: FeatureGroup
    number: int

    @property
    def buckets(self) -> range:
        """The entity buckets whose rows it makes."""
        return range(self.number, self.group.buckets, self.group.shards)

    def rows(self, inputs: PinnedInputs, partition: str) -> pl.DataFrame:
        """What the group's function makes of the shard's part of the inputs.

        Raises:
            EntitiesMixedError: Rows of other entities are among it.
            Exception: Whatever the function raises.
        """
        end = self.group.partitions.window(partition).end
        frames = self._frames(inputs, partition)
        rows = self.group(end=end, **frames).collect(engine="streaming")
        self._check(rows, partition)
        return rows

    def _frames(self, inputs: PinnedInputs, partition: str) -> Mapping[str, pl.LazyFrame]:
        """The inputs' rows of the shard's entities; dimensions of something else are seen whole.

        Of a feature group that is laid out by the same buckets no other files are opened.
        """
        frames = inputs.frames(partition)
        for window in self.group.input_windows(partition):
            snapshot = inputs.snapshots[window.input.name]
            if self._is_laid_out_alike(window.input, snapshot):
                frames[window.input.name] = snapshot.scan(window.partitions, self.buckets)
        return {
            each.name: frames[each.name]
            if _lacking(each, self.group.entity)
            else frames[each.name].filter(self._is_own())
            for each in self.group.inputs
        }

    def _is_laid_out_alike(self, each: Input, snapshot: TableSnapshot) -> bool:
        upstream = each.upstream
        return (
            isinstance(upstream, FeatureGroup)
            and upstream.spec.entity.key_names == self.group.spec.entity.key_names
            and snapshot.buckets == self.group.buckets
        )

    def _is_own(self) -> pl.Expr:
        return is_in_buckets(self.group.spec.entity.key_names, self.group.buckets, self.buckets)

    def _check(self, rows: pl.DataFrame, partition: str) -> None:
        if not set(self.group.spec.entity.key_names) <= set(rows.columns):
            return  # which the schema says better
        others = rows.select((~self._is_own()).sum()).item()
        if others:
            raise EntitiesMixedError(subject=subject(self.group), partition=partition, count=others)


def shards_of(group: FeatureGroup) -> list[Shard]:
    """All shards of a group: together they see every row of every entity once."""
    return [Shard(group, number) for number in range(group.shards)]
