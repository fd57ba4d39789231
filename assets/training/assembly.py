"""Putting a training set together: slices of a spine joined under one resolution of tables."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib.metadata import version

import polars as pl
from deltalake.exceptions import DeltaError

from ...contract.errors import StoreUnavailableError, TableVersionGoneError
from ...contract.feature_group import FeatureReference
from ...resources.offline.offline_store import OfflineStore
from ...resources.offline.receipt_store import ReceiptStore
from ...resources.offline.stored_files import absent_files
from ...resources.offline.table_snapshot import TableSnapshot
from .content_hash import FrameDigest
from .feature_columns import GroupColumns
from .join import joined
from .receipts import Receipt, SpinePart, TableReading


class Assembly:
    """Joins the slices of one spine, in its order, and adds up their receipt.

    Holds no rows: memory is that of one slice, however many there are.

    Attributes:
        groups: Pinned: every slice is joined to the same versions.
        columns: The reference of every output column, in order.
    """

    def __init__(
        self,
        groups: Sequence[GroupColumns],
        columns: Mapping[str, FeatureReference],
        store: OfflineStore,
    ) -> None:
        """Take the groups, pinned, and the columns asked of them, in order."""
        self.groups, self.columns, self._store = groups, columns, store
        self._content = FrameDigest()
        self._nulls = dict.fromkeys(columns, 0)
        self._spine: list[str] = []
        self._parts: list[SpinePart] = []

    def join(self, spine: pl.DataFrame) -> pl.DataFrame:
        """The next slice of the spine with the features behind its own columns.

        Raises:
            InvalidArgumentError: The spine's columns do not fit.
            TableVersionGoneError: Files that the answer lies in were removed.
        """
        frame = joined_or_gone(spine, self.groups).select(*spine.columns, *self.columns)
        start = self._content.rows
        self._content.update(frame)
        for column in self._nulls:
            self._nulls[column] += frame[column].null_count()
        self._spine = spine.columns
        # The hash is that of all rows so far: with the first row's number, a name of these rows.
        name = f"{self._content.combined(self._spine)}-{start}"
        self._parts.append(SpinePart(name, spine.height))
        return frame

    def keep_spine(self, spine: pl.DataFrame) -> None:
        """Keep the slice that was joined last, for a replay.

        Raises:
            StoreUnavailableError: The offline store cannot be written.
        """
        ReceiptStore(self._store).write_spine(self._parts[-1].name, spine)

    def receipt(self, known_at: datetime | None) -> Receipt:
        """What was joined so far."""
        return Receipt(
            namespace=self._store.namespace,
            features=tuple(str(reference) for reference in self.columns.values()),
            tables=tuple(
                TableReading(
                    group.spec.reference, group.table_id, group.snapshot.version, group.document
                )
                for group in self.groups
            ),
            known_at=known_at,
            rows=self._content.rows,
            spine_hash=self._content.combined(self._spine),
            spine_parts=tuple(self._parts),
            null_counts=dict(self._nulls),
            column_hashes=self._content.hashes(),
            content_hash=self._content.combined([*self._spine, *self.columns]),
            made_by=f"headrace {version('headrace')}",
        )


def joined_or_gone(spine: pl.DataFrame, groups: Sequence[GroupColumns]) -> pl.DataFrame:
    """What `joined` gives; when it cannot read a table, whether the version read is gone.

    Raises:
        InvalidArgumentError: The spine's columns do not fit.
        TableVersionGoneError: Files of a version were removed.
        StoreUnavailableError: Files cannot be read, or are damaged.
    """
    try:
        return joined(spine, groups)
    except (OSError, pl.exceptions.PolarsError, DeltaError) as error:
        for group in groups:
            gone = _what_is_gone(group.snapshot)
            if gone is not None:
                raise TableVersionGoneError(
                    group=group.spec.reference, version=group.snapshot.version, reason=gone
                ) from error
        if isinstance(error, OSError | pl.exceptions.ComputeError):  # out of reach, or damaged
            root = groups[0].snapshot.log.uri.removesuffix(groups[0].snapshot.spec.path)
            raise StoreUnavailableError(store=root.rstrip("/"), reason=str(error)) from error
        raise


def _what_is_gone(snapshot: TableSnapshot) -> str | None:
    """How many files of a version are missing; looked for only when reading it failed.

    Raises:
        TableVersionGoneError: The log says that a vacuum removed them.
    """
    root = snapshot.log.uri
    try:
        files = [uri.removeprefix(f"{root}/") for uri in snapshot.files()]
    except DeltaError:
        return "the table's log does not hold it any more"
    missing = absent_files(root, snapshot.log.storage_options, files)
    return f"{len(missing)} of its {len(files)} files were removed" if missing else None
