"""The catalogue's offline half: what training reads, and a flushed online store is given back.

An append-only Delta table of events; the catalogue at an instant is what they add up to until then.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import polars as pl
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, TableNotFoundError

from ...contract.errors import StoreUnavailableError
from .delta_writes import create
from .offline_store import OfflineStore

_PATH = "catalogue"
_TRANSACTION = "headrace/catalogue"
_SCHEMA = pl.Schema(
    {
        "sequence": pl.Int64(),
        "recorded_at": pl.Datetime("us", "UTC"),
        "namespace": pl.String(),
        "event": pl.String(),
        "group": pl.String(),
        "version": pl.Int32(),
        "group_id": pl.Int32(),
        "document": pl.String(),
    }
)
_REGISTERED = "registered"
_WENT_LIVE = "went_live"


@dataclass(frozen=True, slots=True)
class RecordedVersion:
    """One group version: the id that stands for it online, and its newest document."""

    group_id: int
    document: bytes


@dataclass(frozen=True, slots=True)
class RecordedCatalogue:
    """What the events of one namespace add up to.

    Attributes:
        sequence: How many events of all namespaces there were.
        versions: By group and version.
        live: The live version of each group that has one.
        taken_ids: The ids that stand for anything in any namespace.
    """

    sequence: int = 0
    versions: dict[tuple[str, int], RecordedVersion] = field(default_factory=dict)
    live: dict[str, int] = field(default_factory=dict)
    taken_ids: frozenset[int] = frozenset()


class CatalogueTable:
    """The table of one offline store; processes may write to it at the same time."""

    def __init__(self, offline: OfflineStore) -> None:
        """Name the store; the table is made by the first event."""
        self._check_store = offline.check
        self._uri = f"{offline.root}/{_PATH}"
        self._options = dict(offline.storage_options)

    def read(self, namespace: str, known_at: datetime | None = None) -> RecordedCatalogue:
        """The catalogue as it stands, or as it was recorded up to an instant of the real clock.

        Raises:
            StoreUnavailableError: The offline store cannot be read.
        """
        with self._errors():
            table = self._open()
            return RecordedCatalogue() if table is None else _added_up(table, namespace, known_at)

    def namespaces(self, group: str, version: int) -> list[str]:
        """The namespaces in which a group version was ever registered, in order.

        Raises:
            StoreUnavailableError: The offline store cannot be read.
        """
        with self._errors():
            table = self._open()
            if table is None:
                return []
            events = pl.DataFrame(table.to_pyarrow_table(columns=["namespace", "group", "version"]))
        of_group = (pl.col("group") == group) & (pl.col("version") == version)
        return events.filter(of_group)["namespace"].unique().sort().to_list()

    def register(
        self, namespace: str, group: str, version: int, recorded: RecordedVersion
    ) -> RecordedCatalogue:
        """Record the id and the document of a version, unless they stand so already."""
        while True:
            known = self.read(namespace)
            if known.versions.get((group, version)) == recorded:
                return known
            self._append(known, namespace, (_REGISTERED, group, version), recorded)

    def go_live(
        self, namespace: str, group: str, version: int, *, if_first: bool = False
    ) -> RecordedCatalogue:
        """Record that a version went live, unless it is live, or (`if_first`) any version is."""
        while True:
            known = self.read(namespace)
            live = known.live.get(group)
            if live == version or (if_first and live is not None):
                return known
            self._append(known, namespace, (_WENT_LIVE, group, version), None)

    def _append(
        self,
        known: RecordedCatalogue,
        namespace: str,
        event: tuple[str, str, int],
        recorded: RecordedVersion | None,
    ) -> None:
        """Add one event behind those that are known; nothing if there are more by now."""
        self._check_store()
        sequence = known.sequence + 1
        row = (
            sequence,
            datetime.now(UTC),
            namespace,
            *event,
            recorded.group_id if recorded else None,
            recorded.document.decode() if recorded else None,
        )
        with self._errors():
            table = self._open() or self._create()
            if (table.transaction_version(_TRANSACTION) or 0) != known.sequence:
                return
            try:
                write_deltalake(
                    table,
                    pl.DataFrame([row], schema=_SCHEMA, orient="row"),
                    mode="append",
                    # Two writers of one number: the table refuses the second, who reads again.
                    commit_properties=CommitProperties(
                        app_transactions=[Transaction(_TRANSACTION, sequence)]
                    ),
                )
            except CommitFailedError:
                return

    def _open(self) -> DeltaTable | None:
        try:
            return DeltaTable(self._uri, storage_options=self._options)
        except TableNotFoundError:
            return None

    def _create(self) -> DeltaTable:
        create(self._uri, _SCHEMA, self._options)
        return DeltaTable(self._uri, storage_options=self._options)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreUnavailableError(store=self._uri, reason=str(error)) from error


def _added_up(table: DeltaTable, namespace: str, known_at: datetime | None) -> RecordedCatalogue:
    events = pl.DataFrame(table.to_pyarrow_table()).sort("sequence")
    catalogue = RecordedCatalogue(
        sequence=table.transaction_version(_TRANSACTION) or 0,
        taken_ids=frozenset(events["group_id"].drop_nulls()),
    )
    events = events.filter(pl.col("namespace") == namespace)
    if known_at is not None:
        events = events.filter(pl.col("recorded_at") <= known_at)
    for event in events.iter_rows(named=True):
        group, version = event["group"], event["version"]
        if event["event"] == _REGISTERED:
            catalogue.versions[group, version] = RecordedVersion(
                event["group_id"], event["document"].encode()
            )
        else:
            catalogue.live[group] = version
    return catalogue
