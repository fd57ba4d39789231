"""Partitions whose files are all gone from a landing: owners are told, and nothing is read.

A landing that is emptied, by hand or by a rule about old files, does not say that nothing happened.
What was committed stays until somebody materializes the partition again.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

from ..assets.declarations import Source
from ..contract.document import digest
from ..contract.environment import Environment
from ..resources.alerts import Alert, deliver
from ..resources.offline.arrivals import Arrival
from .landing_listing import Listing

GONE = "gone"
"""How the files of a partition look of which owners know that there are none any more."""

_CHECK = "files_are_there"
_NAMED = 10


def tell_of_gone_files(
    source: Source,
    listing: Listing,
    known: Mapping[str, Arrival],
    *,
    committed: Mapping[str, int],
    environment: Environment,
) -> dict[str, Arrival]:
    """Tell owners, once, which partitions lost their last file, and which have files again.

    Args:
        source: Whose partitions they are.
        listing: What there is now.
        known: What is known of all partitions; those that are being read wait for their answer.
        committed: How many rows each committed partition holds.
        environment: Where alerts go.

    Returns:
        What is known once they are told.

    Raises:
        AlertUndeliveredError: The webhook did not take it: nothing counts as told.
    """
    present = listing.digests.keys() | listing.unsettled
    gone = [
        key
        for key, each in known.items()
        if key not in present and not each.request and each.files != GONE
    ]
    back = [key for key, each in known.items() if key in present and each.files == GONE]
    alerts = []
    if gone:
        rows = sum(committed.get(key, 0) for key in gone)
        looked = {key: known[key].files for key in gone}
        alerts.append(_alert(source, "failed", looked, _gone_in_words(source, gone, rows)))
    if back:
        looks = {key: listing.digests.get(key, "") for key in back}
        alerts.append(_alert(source, "resolved", looks, f"{_named(back)} has files again"))
    if alerts:
        deliver(alerts, environment)
    # What is back looks like nothing that was taken, so that it is read again.
    returned = {key: Arrival("") for key in back}
    return {**known, **{key: Arrival(GONE) for key in gone}, **returned}


def _gone_in_words(source: Source, partitions: Sequence[str], rows: int) -> str:
    return (
        f"all files of {_named(partitions)} are gone from the landing; the {rows} rows that are"
        f" committed of it stay. If they are wrong, `headrace materialize {source.name}"
        f" --partitions {partitions[0]}` reads it again, as it is now"
    )


def _named(partitions: Sequence[str]) -> str:
    more = f" and {len(partitions) - _NAMED} more" if len(partitions) > _NAMED else ""
    return f"{', '.join(partitions[:_NAMED])}{more}"


def _alert(
    source: Source, state: Literal["failed", "resolved"], looks: Mapping[str, str], said: str
) -> Alert:
    """An alert about partitions, by how their files look, or looked last."""
    asset = "/".join(source.asset_path)
    return Alert(
        id=digest(f"{asset} {_CHECK} {state} {dict(looks)}".encode()),
        state=state,
        severity="ERROR",
        asset=asset,
        check=_CHECK,
        partition=next(iter(looks)) if len(looks) == 1 else None,
        owners=source.owners,
        run_id="",
        said=said,
    )
