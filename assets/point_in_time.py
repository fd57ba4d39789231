"""Point-in-time correct training data: to each row of a spine what was known at its time, no more.

What is known at a time is what the online store would have answered then, had every partition been
published when it ended (architecture, §4):

* Snapshot groups: the newest committed partition with end <= t says the whole truth, as long as its
  age t - end is at most the TTL. An entity that it does not hold is unknown, whatever came before.
* Upsert groups: the entity's newest row among the partitions with end <= t, as long as its own age
  t - event timestamp is at most the TTL.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import polars as pl

from ..contract.errors import InvalidArgumentError
from ..resources.offline.offline_store import OfflineStore
from ..resources.offline.receipt_store import ReceiptStore
from .training.assembly import Assembly
from .training.feature_columns import Asked, references, resolve
from .training.join import check_spine
from .training.receipts import Receipt
from .training.replaying import replayed
from .training.spine_slices import Spine, lazy_spine, slices
from .training.training_files import check_out, is_file, training_files

__all__ = [
    "ROWS_PER_PART",
    "OfflineStore",
    "Receipt",
    "replay_training_set",
    "replayed_frame",
    "training_frame",
    "write_training_set",
]

ROWS_PER_PART = 1_000_000


def training_frame(
    spine: pl.DataFrame,
    features: Asked | Sequence[Asked],
    store: OfflineStore,
    known_at: datetime | None = None,
    *,
    keep_receipt: bool = True,
) -> tuple[pl.DataFrame, Receipt]:
    """Join the features to the spine as they were known at its times.

    Args:
        spine: The groups' join keys, `event_timestamp` (UTC, microseconds) and any other columns.
            Keys may repeat; where a key or the time is null, nothing is known.
        features: `group:feature`, or `group` for all of its features; `group@version` where the
            live version is not meant. Or what is declared: a feature, a group, a feature service.
            Each feature once.
        store: Where the tables are.
        known_at: Reads every table as it was committed at this instant; `None`: the newest state.
        keep_receipt: Keeps the receipt and the spine in the offline store, so that maintenance
            spares the versions read and `replayed_frame` can give the frame again. Without it
            nothing is written, as a reader's rights demand.

    Returns:
        The spine's rows in the spine's order, with one column `group__feature` per feature in the
        order asked, null where nothing was known; and the receipt that says what they were made of.

    Raises:
        InvalidFeatureReferenceError: A reference is malformed.
        UnknownNameError: No table holds such a group, version or feature.
        InvalidArgumentError: The spine's columns or `known_at` do not fit; a feature twice.
        TableVersionGoneError: What was committed at `known_at` was removed since.
        StoreFullError: There is no room for the receipt, or for the spine that it names.
        StoreUnavailableError: The store cannot be read, or the receipt cannot be written.
    """
    if not isinstance(spine, pl.DataFrame):
        raise InvalidArgumentError(
            argument="spine",
            problem=f"it is a {type(spine).__name__}, not a polars DataFrame",
            remedy="give pl.DataFrame(spine), of a LazyFrame spine.collect()",
        )
    assembly = _assembly(features, store, known_at)
    frame = assembly.join(spine)
    receipt = assembly.receipt(known_at)
    if keep_receipt:
        keep(receipt, spine, store)
    return frame, receipt


def keep(receipt: Receipt, spine: pl.DataFrame, store: OfflineStore) -> None:
    """Keep a frame's receipt, and its spine before it, in the offline store; idempotent.

    Raises:
        StoreUnavailableError: The store cannot be written.
    """
    kept = ReceiptStore(store)
    (part,) = receipt.spine_parts
    kept.write_spine(part.name, spine)
    kept.write(receipt.id, receipt.to_json())


def write_training_set(
    spine: Spine,
    features: Asked | Sequence[Asked],
    store: OfflineStore,
    out: Path,
    *,
    known_at: datetime | None = None,
    rows_per_part: int = ROWS_PER_PART,
    on_rows: Callable[[int], None] = lambda _: None,
) -> Receipt:
    """Write what `training_frame` gives to Parquet, and keep its receipt in the offline store.

    A name with a suffix is one file, and the set is made in memory. Any other is a folder: the
    spine is read and joined slice by slice, in its order, under one resolution of tables, and the
    parts `part-00000.parquet`, … are written one by one; memory does not grow with their number.
    File and folder are there whole, or not at all. A spine sorted by time is read fastest so.

    Args:
        spine: A Parquet file or a folder of them, or a frame; a plan must give its rows in order.
        features: As in `training_frame`.
        store: Where the tables are.
        out: A file, which is replaced, or a folder, which is empty or not there.
        known_at: As in `training_frame`.
        rows_per_part: How many rows of the spine are joined at a time, for a folder.
        on_rows: Is told how many rows were added, part by part.

    Raises:
        InvalidArgumentError: Spine, `known_at` or `out` do not fit; a feature twice.
        OutputUnwritableError: The file system refuses; nothing is left behind.
        HeadraceError: As in `training_frame`.
    """
    check_out(out, spine)
    assembly = _assembly(features, store, known_at)
    check_spine(lazy_spine(spine).collect_schema(), assembly.groups, assembly.columns)
    with training_files(out) as files:
        for part in slices(spine, None if is_file(out) else rows_per_part):
            files.add(assembly.join(part))
            assembly.keep_spine(part)
            on_rows(part.height)
        receipt = assembly.receipt(known_at)
        # Before the files appear: whoever finds them finds their receipt.
        ReceiptStore(store).write(receipt.id, receipt.to_json())
    return receipt


def replay_training_set(
    receipt: Receipt,
    store: OfflineStore,
    out: Path,
    *,
    spine: Spine | None = None,
    rows_per_part: int = ROWS_PER_PART,
    on_rows: Callable[[int], None] = lambda _: None,
) -> None:
    """Write a training set again, to a file or a folder, as `write_training_set` does.

    Args:
        receipt: What it was made of.
        store: Where the tables are.
        out: A file, which is replaced, or a folder, which is empty or not there.
        spine: The spine; `None`: as the offline store keeps it.
        rows_per_part: How many rows of a given spine are joined at a time, for a folder.
        on_rows: Is told how many rows were added, part by part.

    Raises:
        InvalidArgumentError: Spine or `out` do not fit.
        HistoryError: A table version or the spine is gone, or a hash differs: nothing is written.
        OutputUnwritableError: The file system refuses; nothing is left behind.
    """
    check_out(out, spine)
    with training_files(out) as files:
        for part in replayed(receipt, store, spine, None if is_file(out) else rows_per_part):
            files.add(part)
            on_rows(part.height)


def replayed_frame(
    receipt: Receipt, store: OfflineStore, spine: pl.DataFrame | None = None
) -> pl.DataFrame:
    """The rows of a training set again, proven equal by their hash.

    Raises:
        HistoryError: A table version or the spine is gone, or a hash differs.
    """
    return pl.concat(replayed(receipt, store, spine, None))


def _assembly(
    features: Asked | Sequence[Asked], store: OfflineStore, known_at: datetime | None
) -> Assembly:
    if known_at is not None and (not isinstance(known_at, datetime) or known_at.tzinfo is None):
        raise InvalidArgumentError(
            argument="known_at",
            problem=f"{known_at!r} is no datetime with a time zone",
            remedy="give it in UTC",
        )
    return Assembly(*resolve(references(features), store, known_at), store)
