"""How old what is served of each group is, by the server's clock."""

from collections.abc import Mapping

from ..contract.feature_group import Online
from ..contract.order import FIRST, ORDER_LENGTH, decode_order
from ..contract.rows import to_microseconds
from .handler import Handler
from .reading import Reading


def group_ages(handler: Handler) -> Reading[Mapping[str, float]]:
    """Seconds since the newest event timestamp of each live group, by `name@version`.

    Of a snapshot group that is the end of its newest published partition: the floor, which is
    raised behind a partition's last row. Of an upsert group it is the watermark. In a Cluster they
    are those of one primary. A group whose state is not complete in this store has no age.
    """
    snapshot = handler.snapshot
    live = tuple(snapshot.live()) if snapshot is not None else ()
    keys = [
        group.guard if group.spec.online is Online.SNAPSHOT else group.watermark for group in live
    ]
    values = (yield keys) if keys else []
    now_us = to_microseconds(handler.clock.now())
    newest = {
        group.spec.reference: decode_order(value)
        for group, value in zip(live, values, strict=True)
        if value is not None and len(value) == ORDER_LENGTH  # else it could not be read
    }
    return {
        reference: (now_us - order.event_timestamp) / 1e6
        for reference, order in newest.items()
        if order > FIRST
    }
