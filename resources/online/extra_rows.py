"""Looking for rows that should not be stored, from the store's side."""

import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import polars as pl

from .byte_column import ByteColumn
from .comparison import Comparison, order_of
from .projection import scan_commit
from .row_encoding import encode_keys

_PARTITIONS = 16
_KEY = "key"


def look_for_extra(comparison: Comparison, expected: Iterable[ByteColumn]) -> None:
    """Judge every stored row whose key is not among the expected ones."""
    known = [pl.Series(_KEY, pl.from_arrow(keys.to_arrow()), pl.Binary) for keys in expected]
    stored = _column(list(comparison.stored.stored_keys()))
    every = pl.concat([_column([]), *(keys.to_frame() for keys in known)])
    keys = stored.join(every, on=_KEY, how="anti")[_KEY].to_list()
    _judge_unexpected(comparison, dict(zip(keys, comparison.stored.rows(keys), strict=True)))


def look_for_extra_at_random(
    comparison: Comparison, budget: int, partitions: int = _PARTITIONS
) -> int:
    """Draw keys of the whole store at random, and judge the rows of the group among them.

    A row is explained by the commit that it names, if that is served and has a row of the entity.
    What no commit explains is looked for in all that are served.

    Args:
        comparison: Of the group.
        budget: How many keys are drawn; those of other groups among them are in vain.
        partitions: How many partitions rows are looked at of, at most.

    Returns:
        How many live rows of the group were looked at.
    """
    keys = sorted(set(comparison.stored.random_keys(budget)))
    by_partition: dict[str | None, dict[bytes, bytes]] = defaultdict(dict)
    for key, row in zip(keys, comparison.stored.rows(keys), strict=True):
        if row is not None and comparison.is_live(row):
            order = order_of(row)
            partition = None if order is None else comparison.expected.partition_of(order)
            by_partition[partition][key] = row
    chosen = random.sample(list(by_partition.values()), min(partitions, len(by_partition)))
    unexplained: dict[bytes, bytes | None] = {}
    for rows in chosen:
        explained = _explained(comparison, rows)
        unexplained |= {key: row for key, row in rows.items() if key not in explained}
    if unexplained:
        entities = comparison.entities_of(list(unexplained))
        for _, part in comparison.expected.of(entities):
            for key in _keys(comparison, part):
                unexplained.pop(key, None)
        _judge_unexpected(comparison, unexplained)
    return sum(len(rows) for rows in chosen)


def _judge_unexpected(comparison: Comparison, rows: Mapping[bytes, bytes | None]) -> None:
    for key, row in rows.items():
        if row is not None and comparison.is_live(row):
            comparison.judge(key, None, row)


def _explained(comparison: Comparison, rows: Mapping[bytes, bytes]) -> set[bytes]:
    """Which of these rows of one partition stand in the commit that they name."""
    found: set[bytes] = set()
    by_generation: dict[int, list[bytes]] = defaultdict(list)
    for key, row in rows.items():
        if (order := order_of(row)) is not None:
            by_generation[order.generation].append(key)
    for keys in by_generation.values():
        order = order_of(rows[keys[0]])
        commit = None if order is None else comparison.expected.published(order)
        if commit is not None:
            wanted = comparison.entities_of(keys)
            names = wanted.columns
            scan = scan_commit(comparison.expected.snapshot, commit).select(names)
            there = scan.join(wanted.lazy(), on=names, how="semi").collect()
            found.update(_keys(comparison, there))
    return found


def _keys(comparison: Comparison, rows: pl.DataFrame) -> ByteColumn:
    return encode_keys(comparison.expected.group, comparison.group_id, rows)


def _column(keys: Sequence[bytes]) -> pl.DataFrame:
    return pl.DataFrame({_KEY: keys}, schema={_KEY: pl.Binary})
