"""What a sensor records of its checks: each change, not each look.

A look every minute at a hundred groups would be fifty million records a year; changes alone would
leave no line to plot, so that what does not change is recorded once an hour.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import dagster as dg

from ..assets.factory.standing_checks import Finding

Findings: TypeAlias = Mapping[dg.AssetCheckKey, Finding]

_EVERY = timedelta(hours=1)


def records_due(
    cursor: str | None, found: Findings, *, hourly: bool
) -> tuple[list[dg.AssetCheckEvaluation], str]:
    """The records to make now, and the sensor's next cursor: what was recorded last, and when.

    Checks that are not among the findings are forgotten: a cursor is as long as the list of checks.
    """
    known, now = json.loads(cursor or "{}"), datetime.now(UTC)
    due, entries = [], {}
    for key, finding in found.items():
        name = key.to_user_string()
        said, at = known.get(name, ("", now.isoformat(timespec="seconds")))
        is_old = hourly and now - datetime.fromisoformat(at) >= _EVERY
        if said != _said(finding) or is_old:
            due.append(finding.evaluation(key.asset_key, key.name))
            said, at = _said(finding), now.isoformat(timespec="seconds")
        entries[name] = (said, at)
    return due, json.dumps(entries)


def _said(finding: Finding) -> str:
    newest = finding.metadata.get("newest_partition")
    verdict = "passed" if finding.passed else finding.severity.value
    return verdict if newest is None else f"{verdict} {newest.value}"
