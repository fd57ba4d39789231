"""What rows' heads say under one floor: rows of one publish share theirs, and it is judged once."""

from ..contract.order import ORDER_LENGTH, decode_order
from ..contract.status import is_stale
from ..contract.varint import CONTINUES
from .contracts import ServedGroup
from .lookup import judged_rows, row_frame, schema_id
from .observing import Tally
from .reading import Values

_HEAD = ORDER_LENGTH + 2  # the order, and a schema id below 128
_SCHEMA_ID = 0x18  # the tag of a row's third field
_REMEMBERED = 256


class JudgedHeads:
    """A group, and the heads of rows that its newest floor does not hide.

    Any thread may ask: REST has one of its own, and may read another floor at the same time. So a
    floor and what holds under it are one tuple, which is replaced, and looked at once per answer.
    """

    __slots__ = ("_group", "_live", "_reference", "guard", "prefix")

    def __init__(self, group: ServedGroup) -> None:
        """Begin with no head."""
        self._group, self._reference = group, group.spec.reference
        self.guard, self.prefix = group.guard, group.prefix
        # Of a live row: its event timestamp, by its head.
        self._live: tuple[bytes | None, dict[bytes, int]] = None, {}

    def framed(
        self, values: Values, places: tuple[int, int], now_us: int, max_age_us: int | None
    ) -> tuple[bytes, Tally, bool]:
        """As `lookup.judged_rows`: rows that hold are framed at once, others one by one."""
        guard, rows = values[places[0]], values[places[0] + 1 : places[1]]
        oldest = self._oldest_if_live(guard, rows)
        if oldest is None or is_stale(now_us - oldest, self._group.ttl_us, max_age_us):
            return judged_rows(self._group, values, places, now_us=now_us, max_age_us=max_age_us)
        lengths = set(map(len, rows))  # type: ignore[arg-type]  # none is absent: it is live
        if len(lengths) == 1:
            frame = row_frame(lengths.pop())
            body = b"".join((self._group.header, frame, frame.join(rows)))  # type: ignore[arg-type]  # as above
        else:
            framed = [part for row in rows for part in (row_frame(len(row)), row)]  # type: ignore[arg-type]  # as above
            body = self._group.header + b"".join(framed)  # type: ignore[arg-type]  # as above
        tally = Tally(self._reference, len(rows), 0, 0, 0, (now_us - oldest) / 1e6)
        return body, tally, False

    def _oldest_if_live(self, guard: bytes | None, rows: Values) -> int | None:
        """The oldest event timestamp, if each row is there and is served, were it not too old."""
        if type(guard) is not bytes:  # it is missing, or there are several
            return None
        floor, live = self._live
        if guard != floor or len(live) >= _REMEMBERED:
            live = {}
            self._live = guard, live
        try:
            heads = {row[:_HEAD] for row in rows}  # type: ignore[index]  # raises where one is absent
        except TypeError:
            return None
        oldest = None
        for head in heads:
            event_timestamp = live.get(head)
            if event_timestamp is None:
                event_timestamp = self._event_timestamp(head, guard)
                if event_timestamp is None:
                    return None
                if len(live) < _REMEMBERED:
                    live[head] = event_timestamp
            if oldest is None or event_timestamp < oldest:
                oldest = event_timestamp
        return oldest

    def _event_timestamp(self, head: bytes, guard: bytes) -> int | None:
        """Of a row that is served, were it not too old."""
        if len(head) < _HEAD or (head[ORDER_LENGTH] == _SCHEMA_ID and head[-1] >= CONTINUES):
            return None
        try:
            order, floor = decode_order(head), decode_order(guard)
        except ValueError:
            return None
        if self._group.has_floor and order < floor:
            return None
        if schema_id(head) >= len(self._group.spec.all_schemas):
            return None
        return order.event_timestamp
