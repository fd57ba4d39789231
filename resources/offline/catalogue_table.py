"""The catalogue's offline half: what training reads, and a flushed online store is given back.

An append-only Delta table of events; the catalogue at an instant is what they add up to until then.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl
import pyarrow.lib
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from ...contract.errors import DamagedTableError
from .damage import explained
from .delta_writes import create
from .offline_store import OfflineStore
from .recorded_catalogue import (
    DROPPED,
    REGISTERED,
    RELEASED,
    ROLLED_BACK,
    SERVICE,
    WENT_LIVE,
    RecordedCatalogue,
    RecordedVersion,
    added_up,
)

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


@dataclass(frozen=True, slots=True)
class _Event:
    kind: str
    group: str
    version: int
    group_id: int | None = None
    document: bytes | None = None


class CatalogueTable:
    """The table of one offline store; processes may write to it at the same time."""

    def __init__(self, offline: OfflineStore) -> None:
        """Name the store; the table is made by the first event."""
        self._check_store = offline.check
        self.uri = f"{offline.root}/{_PATH}"
        self.storage_options = dict(offline.storage_options)

    def read(self, namespace: str, known_at: datetime | None = None) -> RecordedCatalogue:
        """The catalogue as it stands, or as it was recorded up to an instant of the real clock.

        Raises:
            StoreUnavailableError: The offline store cannot be read.
        """
        with self.errors():
            table = self.opened()
            if table is None:
                return RecordedCatalogue()
            events = pl.DataFrame(table.to_pyarrow_table())
            return added_up(events, _sequence(table), namespace, known_at)

    def namespaces(self, group: str, version: int) -> list[str]:
        """The namespaces in which a group version was ever registered, in order.

        Raises:
            StoreUnavailableError: The offline store cannot be read.
        """
        with self.errors():
            table = self.opened()
            if table is None:
                return []
            events = pl.DataFrame(table.to_pyarrow_table(columns=["namespace", "group", "version"]))
        of_group = (pl.col("group") == group) & (pl.col("version") == version)
        return events.filter(of_group)["namespace"].unique().sort().to_list()

    def register(
        self, namespace: str, group: str, version: int, recorded: RecordedVersion
    ) -> RecordedCatalogue:
        """Record the id and the document of a version, unless they stand so already.

        A version that was dropped stays dropped.
        """
        key = (group, version)
        event = _Event(REGISTERED, group, version, recorded.group_id, recorded.document)
        return self._record(
            namespace,
            lambda known: (
                [] if key in known.dropped or known.versions.get(key) == recorded else [event]
            ),
        )

    def register_services(
        self, namespace: str, services: Mapping[str, tuple[int, bytes]]
    ) -> RecordedCatalogue:
        """Record versions and documents of services, by name, unless they stand so already."""
        return self._record(
            namespace,
            lambda known: [
                _Event(SERVICE, name, version, document=document)
                for name, (version, document) in services.items()
                if known.services.get(name) != document
            ],
        )

    def go_live(
        self, namespace: str, versions: Mapping[str, int], *, if_first: bool = False
    ) -> RecordedCatalogue:
        """Record, at one instant, that a version of each of these groups went live.

        A version that is live already is not recorded again; with `if_first` neither is one of a
        group of which any version is live, nor one that was dropped meanwhile.
        """
        return self._record(
            namespace,
            lambda known: [
                _Event(WENT_LIVE, group, version)
                for group, version in versions.items()
                if known.live.get(group) != version
                and (group, version) not in known.dropped
                and not (if_first and group in known.live)
            ],
        )

    def roll_back(self, namespace: str, versions: Mapping[str, int]) -> RecordedCatalogue:
        """Record, at one instant, that these groups went back to the version that was live before.

        A group whose version before is not the given one any more is left out.
        """
        return self._record(
            namespace,
            lambda known: [
                _Event(ROLLED_BACK, group, version)
                for group, version in versions.items()
                if known.history.get(group, [])[-2:-1] == [version]
            ],
        )

    def release(
        self, namespace: str, group: str, version: int, *, partition: str, generation: int
    ) -> RecordedCatalogue:
        """Record that a deferred commit of a partition was asked for, unless it stands so."""
        document = f"{partition} {generation}".encode()
        return self._record(
            namespace,
            lambda known: (
                []
                if known.released.get((group, version), {}).get(partition, 0) >= generation
                else [_Event(RELEASED, group, version, document=document)]
            ),
        )

    def drop(self, namespace: str, group: str, version: int) -> RecordedCatalogue:
        """Record that a version is no longer published, unless it is live or was dropped before."""
        event = _Event(DROPPED, group, version)
        return self._record(
            namespace,
            lambda known: (
                [event]
                if (group, version) in known.versions and known.live.get(group) != version
                else []
            ),
        )

    def _record(
        self, namespace: str, due: Callable[[RecordedCatalogue], Sequence[_Event]]
    ) -> RecordedCatalogue:
        """Append, in one commit, the events that are due in view of those before; what holds then.

        Another writer may be first: then what is due is asked again.
        """
        while True:
            known = self.read(namespace)
            events = due(known)
            if not events:
                return known
            if self._append(known.sequence, namespace, events):
                return self.read(namespace)

    def _append(self, known: int, namespace: str, events: Sequence[_Event]) -> bool:
        """Add events behind the first `known` ones; nothing if there are more by now."""
        self._check_store()
        now = datetime.now(UTC)
        rows = [
            (
                *(known + place, now, namespace, event.kind, event.group, event.version),
                *(event.group_id, event.document.decode() if event.document else None),
            )
            for place, event in enumerate(events, start=1)
        ]
        with self.errors():
            table = self.opened() or self._create()
            if _sequence(table) != known:
                return False
            try:
                write_deltalake(
                    table,
                    pl.DataFrame(rows, schema=_SCHEMA, orient="row"),
                    mode="append",
                    # Two writers of one number: the table refuses the second, who reads again.
                    commit_properties=CommitProperties(
                        app_transactions=[Transaction(_TRANSACTION, known + len(rows))]
                    ),
                )
            except CommitFailedError:
                return False
            return True

    def opened(self) -> DeltaTable | None:
        """The newest version; `None` before the first event."""
        try:
            return DeltaTable(self.uri, storage_options=self.storage_options)
        except TableNotFoundError:
            return None

    def _create(self) -> DeltaTable:
        create(self.uri, _SCHEMA, self.storage_options)
        return DeltaTable(self.uri, storage_options=self.storage_options)

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Says in our words what delta-rs raises about the table."""
        try:
            yield
        except (DeltaError, OSError) as error:
            raise explained(self.uri, self.storage_options, error) from error
        except pyarrow.lib.ArrowInvalid as error:
            raise DamagedTableError(
                table=self.uri,
                version=None,
                problem=str(error).splitlines()[0],
                remedy="restore the file from a copy of the store",
            ) from error


def _sequence(table: DeltaTable) -> int:
    """How many events there were."""
    return table.transaction_version(_TRANSACTION) or 0
