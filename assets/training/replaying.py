"""Making a training set again, from its receipt: the same bytes, or what exactly is gone."""

from collections.abc import Iterator, Mapping

import polars as pl

from ...contract.errors import ContentDiffersError, SpineGoneError, TableVersionGoneError
from ...contract.feature_group import FeatureGroupSpec, FeatureReference
from ...contract.references import parse_reference
from ...resources.offline.offline_store import OfflineStore
from ...resources.offline.receipt_store import ReceiptStore
from .assembly import Assembly
from .content_hash import FrameDigest
from .feature_columns import GroupColumns, read_group
from .receipts import Receipt, TableReading
from .spine_slices import Spine, slices


def replayed(
    receipt: Receipt, store: OfflineStore, spine: Spine | None, rows_per_part: int | None
) -> Iterator[pl.DataFrame]:
    """The rows of a training set, part by part; they are proven once the last part was taken.

    Reads each table at the version that the receipt names, under the document in force there.

    Args:
        receipt: What it was made of.
        store: Where the tables are.
        spine: The spine, of which the receipt knows the hash; `None`: as the store keeps it.
        rows_per_part: How a given spine is cut; a kept one is cut as it was then.

    Raises:
        TableVersionGoneError: A table was dropped, or files of the version were removed.
        SpineGoneError: The store does not keep the spine.
        ContentDiffersError: The spine, or what was joined, has another hash.
    """
    groups, columns = pinned_groups(receipt, store)
    _check_spine(receipt, _spine(receipt, store, spine, rows_per_part))
    assembly = Assembly(groups, columns, store)
    for each in _spine(receipt, store, spine, rows_per_part):
        yield assembly.join(each)
    made = assembly.receipt(receipt.known_at)
    _check(
        "training set",
        (receipt.content_hash, receipt.column_hashes),
        made.column_hashes,
        made.content_hash,
    )


def pinned_groups(
    receipt: Receipt, store: OfflineStore
) -> tuple[list[GroupColumns], dict[str, FeatureReference]]:
    """The groups of a receipt, read as it names them, and the reference of every output column.

    Raises:
        TableVersionGoneError: A table is not there, not the same, or has not come to the version.
    """
    known = store.feature_groups()
    groups = {each.group: _pinned(each, known, store) for each in receipt.tables}
    columns: dict[str, FeatureReference] = {}
    for text in receipt.features:
        reference = parse_reference(text)
        name = str(reference.feature)
        column = f"{reference.group}__{name}"
        columns[column] = reference
        groups[f"{reference.group}@{reference.version}"].columns[name] = column
    return list(groups.values()), columns


def _pinned(
    reading: TableReading,
    known: Mapping[str, Mapping[int, FeatureGroupSpec]],
    store: OfflineStore,
) -> GroupColumns:
    reference = parse_reference(reading.group)
    newest = known.get(reference.group, {}).get(reference.version or 0)
    if newest is None:
        raise _gone(reading, "the table was dropped")
    group = read_group(newest, store, version=reading.table_version)
    if reading.table_version < 0:
        return group
    if group.table_id != reading.table_id:
        raise _gone(reading, "the table was dropped, and made again since")
    if not any(commit.version <= reading.table_version for commit in group.snapshot.log.commits):
        raise _gone(reading, "the table's log does not reach back to it")
    if group.document != reading.document:
        raise _gone(reading, f"it is under document {group.document}, not {reading.document}")
    return group


def _gone(reading: TableReading, reason: str) -> TableVersionGoneError:
    return TableVersionGoneError(group=reading.group, version=reading.table_version, reason=reason)


def _spine(
    receipt: Receipt, store: OfflineStore, spine: Spine | None, rows_per_part: int | None
) -> Iterator[pl.DataFrame]:
    if spine is not None:
        yield from slices(spine, rows_per_part)
        return
    kept = ReceiptStore(store)
    for part in receipt.spine_parts:
        rows = kept.spine(part.name)
        if rows is None:
            raise SpineGoneError(spine=receipt.spine_hash, part=part.name, store=store.root)
        yield rows


def _check_spine(receipt: Receipt, spine: Iterator[pl.DataFrame]) -> None:
    """Tell another spine before anything is joined to it."""
    content = FrameDigest()
    columns: list[str] = []
    for each in spine:
        content.update(each)
        columns = each.columns
    said = {name: receipt.column_hashes[name] for name in receipt.spine_columns}
    _check("spine", (receipt.spine_hash, said), content.hashes(), content.combined(columns))


def _check(
    what: str, said: tuple[str, Mapping[str, str]], columns: Mapping[str, str], found: str
) -> None:
    expected, hashes = said
    if found == expected:
        return
    names = dict.fromkeys([*hashes, *columns])
    raise ContentDiffersError(
        what=what,
        expected=expected,
        found=found,
        columns=[name for name in names if hashes.get(name) != columns.get(name)],
    )
