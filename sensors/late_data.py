"""Reading partitions again whose rows came late, or were corrected, where no file says so."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

import dagster as dg

from ..assets.declarations import Source
from ..assets.ingestion import identity_as_read
from ..contract.clock import Clock
from ..resources.deployments import Deployment
from ..resources.offline.arrivals import Arrival
from .asking import answered, asked, is_news
from .requests import is_planned

_Looks: TypeAlias = dict[str, dict[str, str]]  # by source and partition, an identity

_BUDGET = timedelta(seconds=10)  # Dagster breaks a tick off after a minute


@dataclass(slots=True)
class _Cursor:
    """What the sensor remembers; no longer than the list of partitions that it looks at.

    Attributes:
        last: The source and the partition that were looked at last.
        known: By source and partition, what was asked for because it looked so.
    """

    last: tuple[str, str]
    known: dict[str, dict[str, Arrival]]

    @classmethod
    def read(cls, text: str | None) -> "_Cursor":
        found = json.loads(text or '{"last": ["", ""], "known": {}}')
        known = {
            name: {partition: Arrival(*each) for partition, each in partitions.items()}
            for name, partitions in found["known"].items()
        }
        return cls(tuple(found["last"]), known)

    def to_json(self) -> str:
        known = {
            name: {partition: astuple(each) for partition, each in partitions.items()}
            for name, partitions in self.known.items()
        }
        return json.dumps({"last": self.last, "known": known})


def late_data_sensor(
    sources: Sequence[Source], clock: Clock, *, budget: timedelta = _BUDGET
) -> dg.SensorDefinition:
    """Requests runs that read committed partitions again whose rows are not what was committed.

    Late are rows that arrive after their partition was committed; a row that was corrected, or is
    gone, counts like a late one. Every partition that ended within `late_within` is read and
    compared by its content identity; each tick takes the next ones, so that it stays short. A
    partition that was never committed is not late but missing: the schedule reads it.

    Args:
        sources: Those that declare `late_within`.
        clock: What time it is.
        budget: For how long a tick goes on to the next partition.
    """
    keys = {source.name: dg.AssetKey(source.asset_path) for source in sources}

    @dg.sensor(
        name="late_data",
        asset_selection=dg.AssetSelection.assets(*keys.values()),
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=60,
        description="Reads partitions again whose rows came late, or were corrected.",
    )
    def look(
        context: dg.SensorEvaluationContext, deployment: dg.ResourceParam[Deployment]
    ) -> dg.SensorResult:
        cursor = _Cursor.read(context.cursor)
        idle = [each for each in sources if not is_planned(context.instance, keys[each.name])]
        committed = {each.name: _recent(each, deployment, clock.now()) for each in sources}
        looks = _looked(context, idle, committed, cursor, budget=budget)
        requests: list[dg.RunRequest] = []
        for source in sources:
            name, identities = source.name, committed[source.name]
            known = answered(cursor.known.get(name, {}), context)
            late = {
                partition: look
                for partition, look in sorted(looks.get(name, {}).items())
                if look != identities[partition] and is_news(known.get(partition), look)
            }
            made, known = asked(source, late, known, late=identities)
            requests += made
            cursor.known[name] = {key: each for key, each in known.items() if key in identities}
        count = sum(map(len, looks.values()))
        said = None if requests else f"{count} partitions were read: nothing came late."
        return dg.SensorResult(run_requests=requests, skip_reason=said, cursor=cursor.to_json())

    return look


def _recent(source: Source, deployment: Deployment, now: datetime) -> dict[str, str]:
    """The committed partitions that are looked at, with the identities of their rows."""
    commits = deployment.offline.table(source.table).snapshot().commits
    since = now - (source.late_within or source.partitions.length)
    return {
        key: commit.identity
        for key, commit in commits.items()
        if source.partitions.window(key).end > since
    }


def _looked(
    context: dg.SensorEvaluationContext,
    sources: Sequence[Source],
    committed: Mapping[str, Mapping[str, str]],
    cursor: _Cursor,
    *,
    budget: timedelta,
) -> _Looks:
    """Read partitions, in turn, from the one after the last on, until the time is spent."""
    by_name = {source.name: source for source in sources}
    turn = sorted((name, key) for name in by_name for key in committed[name])
    following = [each for each in turn if each > cursor.last]
    found: _Looks = {}
    spent_at = time.monotonic() + budget.total_seconds()
    for name, partition in [*following, *turn[: len(turn) - len(following)]]:
        try:
            found.setdefault(name, {})[partition] = identity_as_read(by_name[name], partition)
        except Exception as error:  # noqa: BLE001 - a reader is its author's: it may raise anything
            context.log.warning("%s, %s cannot be read: %s", name, partition, error)
        cursor.last = (name, partition)
        if time.monotonic() > spent_at:
            break
    return found
