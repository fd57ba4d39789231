"""Asking for runs that read partitions of a source, until they have said something of each.

What was asked for is kept by partition. A run that ended without a word about a partition (it was
killed, or a store was down) is asked for again, three times in all. Rows that were committed, that
changed nothing, or that were refused are words.
"""

import uuid
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

import dagster as dg

from ..assets.declarations import Source
from ..assets.partitions import PARTITIONS_A_RUN
from ..resources.offline.arrivals import Arrival
from .priorities import BACKFILL, CAUSED, DUE, priority
from .requests import goes_on, range_request, unbroken

REQUEST_TAG = "headrace/request"
"""The tag of a run by which the sensor that asked for it knows it again."""
LATE_TAG = "headrace/late"
"""The tag of a run: whether it reads partitions again that were committed before."""

_ATTEMPTS = 3
_UNANSWERED = ""


def is_news(known: Arrival | None, look: str) -> bool:
    """Whether a partition that looks so has to be read."""
    if known is None or known.request == _UNANSWERED:
        return True
    return known.request is None and known.files != look


def asked(
    source: Source, news: Mapping[str, str], known: Mapping[str, Arrival], *, late: Collection[str]
) -> tuple[list[dg.RunRequest], dict[str, Arrival]]:
    """The requests for partitions, and what is known once they are made.

    Args:
        source: Whose partitions they are.
        news: How each partition looks that is to be read, in time's order.
        known: What is known of all partitions.
        late: The partitions that were committed before.
    """
    requests, after, key = [], dict(known), dg.AssetKey(source.asset_path)
    for together in _together(source, news, late):
        # A name is never used again: Dagster would drop the request without a word.
        token = uuid.uuid4().hex
        is_late = together[0] in late
        # A full one is history: whatever is due overtakes it.
        order = BACKFILL if len(together) == PARTITIONS_A_RUN else CAUSED if is_late else DUE
        tags = {REQUEST_TAG: token, LATE_TAG: str(is_late).lower(), **priority(order)}
        requests.append(range_request(key, together, run_key=token, tags=tags))
        for partition in together:
            attempts = 1 + _unanswered(known.get(partition), news[partition])
            after[partition] = Arrival(news[partition], token, attempts)
    return requests, after


def answered(
    known: Mapping[str, Arrival], context: dg.SensorEvaluationContext
) -> dict[str, Arrival]:
    """What is known after a look at the runs that were asked for."""
    tokens = {each.request for each in known.values() if each.request}
    answers = {token: _answer(context.instance, token) for token in tokens}
    after = {}
    for partition, each in known.items():
        answer = answers.get(each.request or _UNANSWERED)
        if answer is None:  # nothing was asked for, or it has not ended yet
            after[partition] = each
        elif partition in answer:
            after[partition] = Arrival(each.files)
        elif each.attempts < _ATTEMPTS:
            after[partition] = replace(each, request=_UNANSWERED)
        else:
            context.log.error("%s: given up, %s runs said nothing", partition, each.attempts)
            after[partition] = Arrival(each.files)
    return after


def _together(
    source: Source, news: Mapping[str, str], late: Collection[str]
) -> Iterator[list[str]]:
    """Neighbours to read in one run: new ones before late ones, the newest first."""
    new = [partition for partition in news if partition not in late]
    again = [partition for partition in news if partition in late]
    for partitions in (new, again):
        for together in reversed(list(unbroken(partitions, source.partitions))):
            for start in reversed(range(0, len(together), PARTITIONS_A_RUN)):
                yield together[start : start + PARTITIONS_A_RUN]


def _unanswered(known: Arrival | None, look: str) -> int:
    """How many runs have ended without a word about a partition as it looks now."""
    is_same = known is not None and known.request == _UNANSWERED and known.files == look
    return known.attempts if known is not None and is_same else 0


def _answer(instance: dg.DagsterInstance, token: str) -> set[str | None] | None:
    """The partitions of which runs of this name said something; `None` while one goes on."""
    runs = instance.get_run_records(dg.RunsFilter(tags={REQUEST_TAG: token}))
    if any(goes_on(run) for run in runs):
        return None
    words = {dg.DagsterEventType.ASSET_MATERIALIZATION, dg.DagsterEventType.ASSET_CHECK_EVALUATION}
    return {
        _partition(entry.dagster_event)
        for run in runs
        for entry in instance.all_logs(run.dagster_run.run_id, of_type=words)
        if entry.dagster_event is not None
    }


def _partition(event: dg.DagsterEvent) -> str | None:
    if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
        return event.asset_check_evaluation_data.partition
    return event.partition
