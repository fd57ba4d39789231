"""Drawing rows of an offline table at random, without reading all of it."""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import polars as pl

from ..offline.commit_log import Commit
from ..offline.table_snapshot import TableSnapshot
from .projection import scan_commit

_BLOCK_ROWS = 65_536
_BLOCKS_DRAWN = 16

Rows: TypeAlias = tuple[Commit, pl.DataFrame]
"""Some rows of one commit."""


@dataclass(frozen=True, slots=True)
class _Block:
    """Consecutive rows of a commit: what is read to get at one of them."""

    commit: Commit
    start: int
    rows: int


def drawn_rows(
    snapshot: TableSnapshot,
    commits: Iterable[Commit],
    number: int,
    columns: Sequence[str] | None = None,
) -> Iterator[Rows]:
    """About so many distinct rows of these commits, each with the same chance.

    What is read does not grow with the table: where it has more than 16 blocks of 65,536 rows, 16
    are drawn by their size, and the rows from those. Then damage to a few whole stretches of rows
    is found with less certainty than damage to as many scattered ones.

    Args:
        snapshot: Of their table.
        commits: One per partition.
        number: All rows are given when there are no more.
        columns: What is read of a row; all when `None`.
    """
    blocks = [
        _Block(commit, start, min(_BLOCK_ROWS, commit.rows - start))
        for commit in commits
        for start in range(0, commit.rows, _BLOCK_ROWS)
    ]
    few = len(blocks) <= _BLOCKS_DRAWN
    drawn = _of_all(blocks, number) if few else _of_some(blocks, number)
    for place, places in drawn.items():
        block = blocks[place]
        scan = scan_commit(snapshot, block.commit).slice(block.start, block.rows)
        rows = (scan if columns is None else scan.select(columns)).collect()
        yield block.commit, rows[sorted(places)]


def _of_all(blocks: Sequence[_Block], number: int) -> Mapping[int, Sequence[int]]:
    """Places of rows by the place of their block."""
    total = sum(block.rows for block in blocks)
    chosen, at = sorted(random.sample(range(total), min(number, total))), 0
    found: dict[int, list[int]] = defaultdict(list)
    for place, block in enumerate(blocks):
        found[place] = [each - at for each in chosen if at <= each < at + block.rows]
        at += block.rows
    return {place: places for place, places in found.items() if places}


def _of_some(blocks: Sequence[_Block], number: int) -> Mapping[int, Sequence[int]]:
    draws = min(number, _BLOCKS_DRAWN)
    sizes = [block.rows for block in blocks]
    chosen = Counter(random.choices(range(len(blocks)), sizes, k=draws))  # noqa: S311 - no secret
    return {
        place: random.sample(range(sizes[place]), min(sizes[place], -(-number * times // draws)))
        for place, times in chosen.items()
    }
