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
    *,
    together: Sequence[dg.AssetKey],
    apart: Sequence[dg.AssetKey],
    optional: Sequence[dg.AssetKey] = (),
) -> Condition:
    """Request the partitions that contain a changed input partition, once nothing else hinders.

    A partition waits for its newest input alone. Older gaps in a window do not stop it: the window
    is computed without them, and again when they are filled. Dimensions are not listed: a new
    version of one serves what is computed from then on. There is no condition on checks: whoever
    failed them committed nothing, so nothing changed.

    The asset has a blocking check with its partitions, if it has inputs `apart`.

    Args:
        together: Inputs that are requested in the same run, partition by partition. The target's
            own materialization answers their changes.
        apart: Inputs that are computed in other runs, or of which a partition reads several. When
            the target is materialized, it may have been computed before they changed: only a
            request answers. At worst a partition is computed once more, which commits nothing.
        optional: Those of the inputs `apart` that a partition does not wait for.
    """
    upstream = [*together, *apart]
    required = [key for key in apart if key not in optional]
    busy = _any([_When.asset_matches(key, _When.in_progress()) for key in upstream])
    condition = (
        _any([*_changes_together(together), *_changes_apart(apart)])
        & ~busy.with_label("an input is being computed")
        & ~_When.in_progress()
    )
    for missing in _newest_is_missing(together, required):
        condition &= ~missing.with_label("the newest input is missing")
    return condition.with_label("when inputs change")


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


def _newest_is_missing(
    together: Sequence[dg.AssetKey], apart: Sequence[dg.AssetKey]
) -> list[Condition]:
    """Whether the input's partition of the very same window is missing.

    Seen from the asset, an input means the partitions of its mapping: of inputs `together` the same
    one, of those `apart` the whole window. Seen from the asset's blocking check, which has the
    asset's partitions and no inputs, every input means the same partition. Checks without
    partitions would mean all of them: none of those blocks.
    """
    missing = []
    if together:
        missing.append(_any([_When.asset_matches(key, _absent()) for key in together]))
    if apart:
        seen = _any([_When.asset_matches(key, _absent()) for key in apart])
        missing.append(_When.any_checks_match(seen, blocking_only=True))
    return missing


def _absent() -> Condition:
    return _When.missing() & ~_When.will_be_requested()


def _any(conditions: Sequence[Condition]) -> Condition:
    return reduce(or_, conditions)
