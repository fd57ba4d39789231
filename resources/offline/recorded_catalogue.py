"""What the events of the catalogue's table add up to; nothing is read or written here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import polars as pl

REGISTERED = "registered"
WENT_LIVE = "went_live"
ROLLED_BACK = "rolled_back"
DROPPED = "dropped"
RELEASED = "released"  # partition and generation stand in `document`
SERVICE = "service"  # its name stands in `group`


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
        versions: By group and version; without those that were dropped.
        history: The versions of each group that went live and were not rolled back, the live one
            last; without those that were dropped.
        dropped: By group and version; they never come back.
        services: The newest document of each feature service, by name.
        documents: Every document that a version ever had, oldest first.
        released: Which generation of which deferred partition was published on demand, by group
            and version.
        taken_ids: The ids that stand, or ever stood, for anything in any namespace.
    """

    sequence: int = 0
    versions: dict[tuple[str, int], RecordedVersion] = field(default_factory=dict)
    history: dict[str, list[int]] = field(default_factory=dict)
    dropped: dict[tuple[str, int], RecordedVersion] = field(default_factory=dict)
    services: dict[str, bytes] = field(default_factory=dict)
    documents: dict[tuple[str, int], list[bytes]] = field(default_factory=dict)
    released: dict[tuple[str, int], dict[str, int]] = field(default_factory=dict)
    taken_ids: frozenset[int] = frozenset()

    @property
    def live(self) -> dict[str, int]:
        """The live version of each group that has one."""
        return {group: versions[-1] for group, versions in self.history.items() if versions}


def added_up(
    events: pl.DataFrame, sequence: int, namespace: str, known_at: datetime | None
) -> RecordedCatalogue:
    """The catalogue of a namespace, from the events of all.

    Args:
        events: Rows of the catalogue's table, in any order.
        sequence: How many events the table says that there are.
        namespace: Whose catalogue it is.
        known_at: Only what was recorded up to this instant; all when `None`.
    """
    catalogue = RecordedCatalogue(
        sequence=sequence,
        taken_ids=frozenset(events["group_id"].drop_nulls()),
    )
    events = events.filter(pl.col("namespace") == namespace).sort("sequence")
    if known_at is not None:
        events = events.filter(pl.col("recorded_at") <= known_at)
    for event in events.iter_rows(named=True):
        _add(catalogue, event)
    return catalogue


def _add(catalogue: RecordedCatalogue, event: Mapping[str, Any]) -> None:
    kind, group, version = event["event"], event["group"], event["version"]
    history = catalogue.history.setdefault(group, []) if kind != SERVICE else []
    if kind == REGISTERED:
        document = event["document"].encode()
        catalogue.versions[group, version] = RecordedVersion(event["group_id"], document)
        catalogue.documents.setdefault((group, version), []).append(document)
    elif kind == SERVICE:
        catalogue.services[group] = event["document"].encode()
    elif kind == RELEASED:
        partition, _, generation = event["document"].rpartition(" ")
        catalogue.released.setdefault((group, version), {})[partition] = int(generation)
    elif kind == WENT_LIVE:
        history.append(version)
    elif kind == ROLLED_BACK:
        del history[-1:]
    elif (group, version) in catalogue.versions:
        catalogue.dropped[group, version] = catalogue.versions.pop((group, version))
        history[:] = _without(history, version)


def _without(history: Sequence[int], dropped: int) -> list[int]:
    """A history without a version; what then stands twice in a row stands once."""
    kept = [version for version in history if version != dropped]
    return [version for place, version in enumerate(kept) if kept[place - 1 : place] != [version]]
