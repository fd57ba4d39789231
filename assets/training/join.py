"""Features beside a spine: the columns of all groups, joined to its rows."""

import os
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

import polars as pl

from ...contract.errors import InvalidArgumentError
from ...resources.offline.dtypes import polars_dtype
from ...resources.offline.table_spec import EVENT_TIMESTAMP, EVENT_TIMESTAMP_TYPE
from .bucket_join import GroupJoin, Reading
from .bucketed_spine import SpineBucket, bucketed_spine
from .feature_columns import GroupColumns
from .questions import Questions

Key = TypeVar("Key", bound=Hashable)

_AT_ONCE = min(os.cpu_count() or 1, 4)  # each holds rows in memory
_SHARES = 4  # of the work, for each thread: none waits long for the last
# For good: threads that come and go leave their memory behind, arena by arena.
_JOINERS, _READERS = ThreadPoolExecutor(_AT_ONCE), ThreadPoolExecutor(_AT_ONCE)


def joined(
    spine: pl.DataFrame,
    groups: Sequence[GroupColumns],
    *,
    on_reading: Callable[[Reading], object] | None = None,
) -> pl.DataFrame:
    """The spine's rows in the spine's order, with the groups' columns behind its own.

    Grain: one row per row of the spine, whatever repeats in it. Null where nothing was known.
    Memory: the spine, the result, and a bucket of a group for each core, four at most.

    Args:
        spine: Join keys, event timestamp, and whatever else.
        groups: What is asked of each group.
        on_reading: Is told of each group how many of its files were opened.

    Raises:
        InvalidArgumentError: The spine's columns do not fit.
    """
    columns = [column for group in groups for column in group.columns.values()]
    check_spine(spine.schema, groups, columns)
    joins = list(_JOINERS.map(lambda group: GroupJoin(group, spine.height), groups))
    _answer(spine, joins)
    found: dict[str, pl.Series] = {}
    for join in joins:
        values, group = join.values(), join.group
        found.update({column: values[feature] for feature, column in group.columns.items()})
        if on_reading is not None:
            on_reading(join.reading())
    frame = spine.with_columns(found[column].alias(column) for column in columns)
    if frame.height != spine.height:
        msg = f"a spine of {spine.height} rows became {frame.height}: a defect of this library"
        raise RuntimeError(msg)
    return frame


def _answer(spine: pl.DataFrame, joins: Sequence[GroupJoin]) -> None:
    """Answer all buckets of all groups, several at once."""
    answered: list[Future[None]] = []
    try:
        for entity, alike in _by(joins, _entity).items():
            buckets = bucketed_spine(spine, *entity, _JOINERS)
            parts = (
                part
                for same in _by(alike, lambda join: join.acceptance.key).values()
                for part in _parts(same, len(buckets))
            )
            answered += [
                _JOINERS.submit(_answer_bucket, bucket, part)
                for part in parts
                for bucket in buckets
            ]
        for each in answered:
            each.result()
    except BaseException:
        for each in answered:
            each.cancel()
        wait(answered)
        raise


def _answer_bucket(bucket: SpineBucket, joins: Sequence[GroupJoin]) -> None:
    """Answer a bucket of groups that accept the same."""
    questions = Questions.of(bucket, joins[0].acceptance)
    for join in joins:
        join.answer(questions, _READERS)


def _entity(join: GroupJoin) -> tuple[tuple[str, ...], int]:
    return join.group.spec.entity.key_names, join.group.snapshot.buckets


def _by(joins: Iterable[GroupJoin], key: Callable[[GroupJoin], Key]) -> dict[Key, list[GroupJoin]]:
    found: dict[Key, list[GroupJoin]] = {}
    for join in joins:
        found.setdefault(key(join), []).append(join)
    return found


def _parts(joins: Sequence[GroupJoin], buckets: int) -> Iterator[Sequence[GroupJoin]]:
    """The groups in parts: few, as questions are asked once in each, but work for every thread."""
    size = max(1, len(joins) * buckets // (_SHARES * _AT_ONCE))
    yield from (joins[start : start + size] for start in range(0, len(joins), size))


def check_spine(schema: pl.Schema, groups: Iterable[GroupColumns], columns: Iterable[str]) -> None:
    """Refuse a spine that lacks the time or a join key, or has a column of a feature's name.

    Raises:
        InvalidArgumentError: It names the column and the remedy.
    """
    found = schema.get(EVENT_TIMESTAMP)
    if found != EVENT_TIMESTAMP_TYPE:
        raise InvalidArgumentError(
            argument=f"spine, column {EVENT_TIMESTAMP!r}",
            problem=f"it has to be {EVENT_TIMESTAMP_TYPE}, and is {found or 'missing'}",
            remedy=_time_remedy(found),
        )
    for spec in (group.spec for group in groups):
        for key in spec.entity.join_keys:
            dtype, found = polars_dtype(key.dtype), schema.get(key.name)
            if found != dtype:
                raise InvalidArgumentError(
                    argument=f"spine, column {key.name!r}",
                    problem=f"{spec.reference} needs it as {dtype}; it is {found or 'missing'}",
                    remedy="add the join key, or cast it",
                )
    taken = sorted(set(columns) & set(schema))
    if taken:
        raise InvalidArgumentError(
            argument=f"spine, column {taken[0]!r}",
            problem="a feature's column bears that name",
            remedy="rename it, or leave the feature out",
        )


def _time_remedy(found: pl.DataType | None) -> str:
    """What makes an event timestamp of a spine's column."""
    if found is None:
        return "add the column: for each row the instant up to which it may know anything"
    if found == pl.String:
        return 'convert it with str.to_datetime(time_zone="UTC", time_unit="us")'
    if isinstance(found, pl.Datetime):
        return (
            'convert it with dt.convert_time_zone("UTC").dt.cast_time_unit("us")'
            ' (a naive one: dt.replace_time_zone("UTC") first)'
        )
    if found == pl.Date:
        return 'convert it with cast(pl.Datetime("us", "UTC")), which takes each day\'s start'
    return "give instants in UTC, in microseconds"
