"""One request against one snapshot: the keys to read, and the answer made of what they hold.

Rows are copied into the answer, and only those that are projected are decoded: the first bytes say
all that has to be judged (order and schema). What a row lacks is said by appending a field, which
is legal protobuf.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from ..contract.errors import InvalidArgumentError, TooLargeError
from ..contract.keys import online_key
from ..contract.order import ORDER_LENGTH, Order, decode_order
from ..contract.proto.headrace.v1 import feature_service_pb2 as pb
from ..contract.status import is_stale
from ..contract.varint import CONTINUES, varint
from .contracts import Selection, ServedGroup
from .observing import Tally
from .projections import GroupProjection
from .query import Query
from .reading import UNREAD, Copies, Keys, Values
from .settings import Limits

_SCHEMA_ID_TAG = b"\x18"  # field 3, varint
_STALE = b"\x68\x01"  # field 13, ROW_STATUS_STALE
_NOT_FOUND_ROW = b"\x22\x00"  # field 4 of FeatureGroupRows, empty
_ERROR_ROW = b"\x22\x02\x68\x02"  # field 4: field 13, ROW_STATUS_ERROR
_GROUP_TAG, _ANSWERED_AT_TAG, _SERVICE_ID_TAG = b"\x0a", b"\x11", b"\x1a"

_HEAD = ORDER_LENGTH + 2  # the order, and a schema id below 128


class _Verdict(Enum):
    LIVE = "served as it is"
    STALE = "served with a mark"
    GONE = "below the floor: the entity is absent"
    FOREIGN = "written under a schema that the snapshot does not have"
    BROKEN = "no row at all"


@dataclass(frozen=True, slots=True)
class Answer:
    """A serialized `GetOnlineFeaturesResponse`.

    Attributes:
        doubtful: It holds an ERROR that a newer catalogue may explain: an unknown schema, no guard.
        tallies: What became of the rows of each group.
    """

    body: bytes
    doubtful: bool
    tallies: Sequence[Tally]


class Lookup:
    """The reads of one request.

    Attributes:
        selection: The groups that are read.
        keys: What to read at once, so that guards and the rows that they judge are of one moment.
    """

    def __init__(self, query: Query, selection: Selection, limits: Limits) -> None:
        """Compute the keys.

        Raises:
            InvalidArgumentError: A join key is given that none of the groups has.
            InvalidEntityError: A join key is missing, of the wrong type or out of range.
            TooLargeError: Too many rows.
        """
        self._query, self.selection = query, selection
        self._longest_answer = limits.message_bytes
        rows = query.entity_count * len(selection.groups)
        if rows > limits.rows:
            raise TooLargeError(what="rows (entities × groups)", count=rows, limit=limits.rows)
        if not query.columns.keys() <= selection.join_keys.keys():
            _refuse_unknown_columns(query, selection)
        self.keys: Keys = []
        for group in selection.groups:
            self.keys.append(group.guard)
            self.keys += _row_keys(query, group)

    def answer(self, values: Values, now_us: int) -> Answer:
        """The answer made of the values of `keys`, judged at an instant (microseconds)."""
        projection = self._query.projection
        answer = self._answer(values, now_us, is_projected=projection == pb.PROJECTION_ALWAYS)
        if projection == pb.PROJECTION_IF_LONG and len(answer.body) > self._longest_answer:
            return self._answer(values, now_us, is_projected=True)
        return answer

    def _answer(self, values: Values, now_us: int, *, is_projected: bool) -> Answer:
        parts: list[bytes] = []
        tallies: list[Tally] = []
        doubtful = False
        size = 1 + self._query.entity_count
        for index, group in enumerate(self.selection.groups):
            body, tally, is_doubtful = judged_rows(
                group,
                values,
                (index * size, (index + 1) * size),
                now_us=now_us,
                max_age_us=self._query.max_age_us,
                projection=self.selection.projections[index] if is_projected else None,
            )
            parts += (_GROUP_TAG, varint(len(body)), body)
            doubtful = doubtful or is_doubtful
            tallies.append(tally)
        parts += (_ANSWERED_AT_TAG, now_us.to_bytes(8, "little", signed=True))
        if self.selection.service is not None:
            service_id = self.selection.service.service_id.encode()
            parts += (_SERVICE_ID_TAG, varint(len(service_id)), service_id)
        return Answer(b"".join(parts), doubtful, tallies)


def judged_rows(
    group: ServedGroup,
    values: Values,
    places: tuple[int, int],
    *,
    now_us: int,
    max_age_us: int | None = None,
    projection: GroupProjection | None = None,
) -> tuple[bytes, Tally, bool]:
    """The rows of one group in one answer.

    Args:
        group: Whose they are.
        values: All that was read.
        places: Where the group's guard stands among them, and where its rows end.
        now_us: When ages are judged, in microseconds.
        max_age_us: What the request allows.
        projection: What the rows are cut to; `None`: they stay whole.

    Returns:
        Its serialized `FeatureGroupRows`, what became of the rows, and whether one is an ERROR that
        a newer catalogue may explain.
    """
    first, last = places[0] + 1, places[1]
    guard, rows = values[places[0]], _Rows(group, now_us, max_age_us)
    stored = values[first:last]
    if projection is not None:
        rows.header += projection.header
        stored = projection.rows.cut(stored)
    if isinstance(guard, Copies):
        body = rows.framed_apart(stored, guard.beside(first, last))
    else:
        body = rows.framed(stored, guard)
    return body, rows.tally(last - first), rows.doubtful


class _Rows:
    """The rows of one group in one answer."""

    def __init__(self, group: ServedGroup, now_us: int, max_age_us: int | None) -> None:
        self._group, self._now_us, self._max_age_us = group, now_us, max_age_us
        self.header = group.header
        self.doubtful = False
        self._not_found = self._stale = self._error = 0
        self._oldest_us: int | None = None

    def tally(self, count: int) -> Tally:
        """What became of so many rows, once they are framed."""
        others = self._not_found + self._stale + self._error
        oldest = None if self._oldest_us is None else (self._now_us - self._oldest_us) / 1e6
        return Tally(
            self._group.spec.reference,
            count - others,
            self._not_found,
            self._stale,
            self._error,
            oldest,
        )

    def framed(self, values: Sequence[bytes | None], guard: bytes | None) -> bytes:
        """The group's serialized `FeatureGroupRows`."""
        return self.header + self._frames(values, guard)

    def framed_apart(self, values: Sequence[bytes | None], guards: Sequence[bytes | None]) -> bytes:
        """The same of rows that were read apart, each with a guard of its own."""
        frames = [self._frames([row], guard) for row, guard in zip(values, guards, strict=True)]
        return self.header + b"".join(frames)

    def _frames(self, values: Sequence[bytes | None], guard: bytes | None) -> bytes:
        floor = _order(guard)
        if floor is None:
            self.doubtful = self.doubtful or guard is not UNREAD
            self._error += len(values)
            return _ERROR_ROW * len(values)
        parts = []
        self._not_found += values.count(None)
        # Rows of one publish share their head: most are judged once per request.
        verdicts: dict[bytes, _Verdict] = {}
        for row in values:
            if row is None:
                parts.append(_NOT_FOUND_ROW)
                continue
            head = row[:_HEAD]
            verdict = verdicts.get(head)
            if verdict is None:
                verdict = self._judge(row, floor)
                if len(head) == _HEAD and head[-1] < CONTINUES:
                    verdicts[head] = verdict
            if verdict is _Verdict.LIVE:
                parts += (row_frame(len(row)), row)
            elif verdict is _Verdict.STALE:
                parts += (row_frame(len(row) + len(_STALE)), row, _STALE)
                self._stale += 1
            elif verdict is _Verdict.GONE:
                parts.append(_NOT_FOUND_ROW)
                self._not_found += 1
            else:
                parts.append(_ERROR_ROW)
                self._error += 1
                self.doubtful = self.doubtful or verdict is _Verdict.FOREIGN
        return b"".join(parts)

    def _judge(self, row: bytes, floor: Order) -> _Verdict:
        order = _order(row)
        if order is None:
            return _Verdict.BROKEN
        if self._group.has_floor and order < floor:
            return _Verdict.GONE
        if schema_id(row) >= len(self._group.spec.all_schemas):
            return _Verdict.FOREIGN
        age_us = self._now_us - order.event_timestamp
        if self._oldest_us is None or order.event_timestamp < self._oldest_us:
            self._oldest_us = order.event_timestamp
        stale = is_stale(age_us, self._group.ttl_us, self._max_age_us)
        return _Verdict.STALE if stale else _Verdict.LIVE


def _refuse_unknown_columns(query: Query, selection: Selection) -> None:
    name = next(name for name in query.columns if name not in selection.join_keys)
    raise InvalidArgumentError(
        argument="entities",
        problem=f"{name!r} is no join key of what is asked for",
        remedy=f"the join keys are {', '.join(selection.join_keys)}",
    )


def _row_keys(query: Query, group: ServedGroup) -> Keys:
    prefix, encode = group.prefix, group.encode
    columns = query.key_values(group)
    return [online_key(prefix, encode(values)) for values in zip(*columns, strict=True)]


def _order(raw: bytes | None) -> Order | None:
    if raw is None:
        return None
    try:
        return decode_order(raw)
    except ValueError:
        return None


def schema_id(row: bytes) -> int:
    """Under which of its group's schemas a row was written."""
    if row[ORDER_LENGTH : ORDER_LENGTH + 1] != _SCHEMA_ID_TAG:
        return 0  # proto3 leaves a zero out
    schema_id = shift = 0
    for byte in row[ORDER_LENGTH + 1 : ORDER_LENGTH + 6]:
        schema_id |= (byte & 0x7F) << shift
        shift += 7
        if byte < CONTINUES:
            break
    return schema_id


_FRAMES = tuple(b"\x22" + varint(length) for length in range(2048))


def row_frame(length: int) -> bytes:
    """What stands before a row of this length in an answer."""
    return _FRAMES[length] if length < len(_FRAMES) else b"\x22" + varint(length)
