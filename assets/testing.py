"""What a team tests its feature group with: literal rows in, the rows of a partition out.

    rows = check_group(household_spend, end="2017-12-04", transactions=[{…}, {…}])

Nothing is stored, and neither Dagster nor a store is needed.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import polars as pl

from ..contract.errors import (
    InvalidArgumentError,
    LineageDiffersError,
    PartitionOutOfRangeError,
    PointInTimeError,
    RowsRefusedError,
    UnknownNameError,
)
from .declarations import FeatureGroup
from .declared_lineage import declared_lineage
from .literal_frames import LiteralFrame, literal_frame, visible
from .materialization import judged_as_committed
from .pinned_inputs import asset_name, upstream_of
from .repetition import check_repeatable, computed_rows, watched
from .window_probe import check_windows

__all__ = ["check_group", "check_lineage"]

_TRIES = 5  # to see that a function leaves something to chance


def check_group(
    group: FeatureGroup, /, *, end: str | datetime, **inputs: LiteralFrame
) -> pl.DataFrame:
    """Compute the partition that ends at `end` from literal rows, as it would be committed.

    The function sees of each input what it would see in production: the rows in its window. Then
    it is held to what a feature function promises. It computes the same from the same rows in any
    order (floats to 1e-9, as sums of them differ in their last bits), without a clock, chance or
    files. And where it limits its window itself, it does so within the one that it declares.

    Args:
        group: The feature group.
        end: The end of the partition, UTC, as an instant or in ISO 8601 (`"2017-12-04"`).
        inputs: Rows of each input, by its name: a frame, or mappings of columns to values, instants
            also in ISO 8601. A column that is left out is null; in rows of a snapshot group,
            `event_timestamp` is then `end`. An input that is left out is empty.

    Returns:
        The rows, judged by the schema, in the table's columns, sorted by join keys.

    Raises:
        RowsRefusedError: They break rules of the schema or of the table.
        NotRepeatableError: The function looks at a clock, or computes something else next time.
        PointInTimeError: It reads files, or rows outside its window.
        UnknownNameError: The group has no such input, or an input no such column.
        ColumnMismatchError: A frame's column, or a value, is of another type.
        InvalidArgumentError: `end` is no end of a partition; a row lacks its event timestamp.
        PartitionOutOfRangeError: The group has no partition that ends there.
    """
    at = _end(group, end)
    partition = _partition(group, at)
    declared = {each.name: each for each in group.inputs}
    for name in inputs:
        if name not in declared:
            raise UnknownNameError(kind=f"input of {group.name!r}", name=name, known=declared)
    given = {name: literal_frame(each, inputs.get(name, ()), at) for name, each in declared.items()}
    frames = {name: visible(declared[name], rows, group, partition) for name, rows in given.items()}

    with watched(group):
        computed_rows(group, at, frames)
    lazy = {name: frame.lazy() for name, frame in frames.items()}
    judged = judged_as_committed(group, partition, lazy)
    if not judged.verdict.passed:
        raise RowsRefusedError(
            group=group.spec.reference,
            problem=f"its rows would not be committed: {judged.verdict}",
            remedy="Correct the function, or the schema",
        )
    check_repeatable(group, at, frames)
    try:
        check_windows(group, partition, frames)
    except PointInTimeError:
        # Chance may look like rows from outside the window, and repeat itself by chance above.
        for _ in range(_TRIES):
            check_repeatable(group, at, frames)
        raise
    return judged.rows


def check_lineage(group: FeatureGroup, expected: Mapping[str, Iterable[str]]) -> None:
    """Assert from which columns features are computed: those whose values enter theirs.

    Args:
        group: The feature group.
        expected: For each feature that matters the columns, as `transactions.sales_value`.

    Raises:
        LineageDiffersError: A feature is computed from others; says which and from what.
        UnknownNameError: The group has no such column.
    """
    names = {asset_name(upstream_of(each)): each.name for each in group.inputs}
    lineage = declared_lineage(group)
    differences = []
    for feature, columns in expected.items():
        if isinstance(columns, str):
            raise InvalidArgumentError(
                argument=f"the columns of {feature!r}",
                problem=f"{columns!r} is one text",
                remedy="give a set of them, such as {'transactions.sales_value'}",
            )
        if feature not in lineage:
            known = list(lineage)
            raise UnknownNameError(kind=f"column of {group.name!r}", name=feature, known=known)
        found = {f"{names[asset]}.{column}" for asset, column in lineage[feature].direct}
        if found != set(columns):
            differences.append(
                f"{feature} is computed from {_listed(found)}, not {_listed(columns)}"
            )
    if differences:
        raise LineageDiffersError(
            group=group.spec.reference,
            problem="; ".join(differences),
            remedy="Correct the function, or what the test expects",
        )


def _end(group: FeatureGroup, end: str | datetime) -> datetime:
    try:
        at = datetime.fromisoformat(end) if isinstance(end, str) else end
    except ValueError as error:
        raise _no_instant(end) from error
    if not isinstance(at, datetime):
        raise _no_instant(end)
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    if group.partitions.floor(at) != at:
        raise InvalidArgumentError(
            argument="end",
            problem=f"no {group.partitions.name} partition ends at {at.isoformat()}",
            remedy=f"use {group.partitions.floor(at).isoformat()}, for example",
        )
    return at


def _no_instant(end: object) -> InvalidArgumentError:
    return InvalidArgumentError(
        argument="end",
        problem=f"{end!r} is no instant",
        remedy='give a datetime in UTC, or write it as "2017-12-04" or "2017-12-04T06:00Z"',
    )


def _partition(group: FeatureGroup, end: datetime) -> str:
    start = end - group.partitions.length
    if start < group.start:
        raise PartitionOutOfRangeError(
            subject=repr(group.name),
            partition=group.partitions.key(start),
            first=group.partitions.key(group.start),
            last="whatever is over",
        )
    return group.partitions.key(start)


def _listed(columns: Iterable[str]) -> str:
    return ", ".join(sorted(columns)) or "nothing"
