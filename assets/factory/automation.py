"""When Dagster computes a partition by itself: exactly when something it was computed from changed.

Built from Dagster's own conditions, because custom ones are evaluated in the code server, for 500
assets at most. Four things differ from `eager()`. It looks at all partitions, not at the latest
alone. It listens to generations (data versions): a repetition that committed nothing triggers
nothing. A request answers only what was known when it was made: `eager()` forgets a change that
falls between the same two ticks as the last request or materialization of its target. And it knows
what one run computed together also where that run had many partitions, of which `eager()` sees one.
"""

from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import Any, TypeAlias

import dagster as dg
from dagster._core.definitions.declarative_automation.automation_condition import (
    BuiltinAutomationCondition,
)

Condition: TypeAlias = BuiltinAutomationCondition[Any]
_When = dg.AutomationCondition


def when_inputs_change(
    *, together: Sequence[dg.AssetKey], apart: Sequence[dg.AssetKey]
) -> Condition:
    """Request the partitions that contain a changed input partition, once nothing else hinders.

    A partition waits for its newest input alone. Older gaps in a window do not stop it: the window
    is computed without them, and again when they are filled. Dimensions are not listed: a new
    version of one serves what is computed from then on. There is no condition on checks: whoever
    failed them committed nothing, so nothing changed.

    Args:
        together: Inputs that are requested in the same run, partition by partition. The target's
            own materialization answers their changes.
        apart: Inputs that are computed in other runs, or of which a partition reads several. When
            the target is materialized, it may have been computed before they changed: only a
            request answers. At worst a partition is computed once more, which commits nothing.
    """
    upstream = [*together, *apart]
    busy = _any([_When.asset_matches(key, _When.in_progress()) for key in upstream])
    return (
        _any([*_changes_together(together), *_changes_apart(apart)])
        & ~_newest_is_missing(upstream).with_label("the newest input is missing")
        & ~busy.with_label("an input is being computed")
        & ~_When.in_progress()
    ).with_label("when inputs change")


def _changes_together(keys: Sequence[dg.AssetKey]) -> list[Condition]:
    if not keys:
        return []
    changed = _any(
        [
            _When.asset_matches(key, _When.data_version_changed() | _When.will_be_requested())
            for key in keys
        ]
    )
    return [_unanswered(changed, _When.newly_updated())]


def _changes_apart(keys: Sequence[dg.AssetKey]) -> list[Condition]:
    if not keys:
        return []
    changed = _any([_When.asset_matches(key, _When.data_version_changed()) for key in keys])
    return [_unanswered(changed)]


def _unanswered(changed: Condition, *answers: Condition) -> Condition:
    requested = _When.newly_requested() & ~changed
    return changed.since(_any([requested, *answers, _When.initial_evaluation()]))


def _newest_is_missing(upstream: Sequence[dg.AssetKey]) -> Condition:
    """Whether the input's partition of the very same window is missing.

    Seen from the asset, an input means the partitions of its mapping: the whole window. Seen from
    the asset's check, which has the asset's partitions and no inputs, it means the same partition.
    """
    missing = [
        _When.asset_matches(key, _When.missing() & ~_When.will_be_requested()) for key in upstream
    ]
    return _When.any_checks_match(_any(missing))


def _any(conditions: Sequence[Condition]) -> Condition:
    return reduce(or_, conditions)
