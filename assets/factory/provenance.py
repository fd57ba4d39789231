"""Which events of its inputs a step had before it: what Dagster calls out of sync comes later."""

from collections.abc import Mapping

import dagster as dg
from dagster._core.definitions.data_version import (
    NULL_EVENT_POINTER,
    extract_data_version_from_entry,
    get_input_data_version_tag,
    get_input_event_pointer_tag,
)

_SEEN = "seen"  # partitions are told by the pointer; Dagster wants to see that the input is known


def input_tags(context: dg.AssetExecutionContext) -> Mapping[str, str]:
    """Tags of what a step is about to read, for all that it materializes.

    A partition of an input that is computed again after this, with another generation, makes the
    partitions that read it "unsynced" on Dagster's pages. What is committed and not recorded yet
    counts as later: then Dagster says so once too often.
    """
    pointer = context.instance.event_log_storage.get_maximum_record_id()
    tags = {}
    for dep in context.assets_def.get_asset_spec(context.asset_key).deps:
        event = context.instance.get_latest_materialization_event(dep.asset_key)
        version = None if event is None else extract_data_version_from_entry(event)
        made = None if event is None else event.asset_materialization
        is_whole = made is not None and made.partition is None
        seen = version.value if is_whole and version is not None else _SEEN
        tags[get_input_data_version_tag(dep.asset_key)] = seen
        tags[get_input_event_pointer_tag(dep.asset_key)] = str(pointer or NULL_EVENT_POINTER)
    return tags
