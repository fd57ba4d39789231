"""Requests of the plain form: what they ask is looked up by their first bytes, not taken apart.

Callers ask for the same features again and again, for other entities. A `Plan` holds what those
features decide; it is found by the bytes that spell them. What is left, one column of join key
values, is checked byte by byte. A request of any other form, also a wrong one, has no plan, and
goes the way of every request (`query.py`, `lookup.py`): that one says what is wrong with it.
"""

from collections.abc import Callable, Sequence

from google.protobuf.message import DecodeError

from ..contract.errors import HeadraceError
from ..contract.feature_group import DType, JoinKey
from ..contract.keys import int64_keys, online_keys
from ..contract.order import ORDER_LENGTH, decode_order
from ..contract.proto.headrace.v1 import feature_service_pb2 as pb
from ..contract.varint import CONTINUES, varint
from .contracts import Selection, ServedGroup, Snapshot
from .lookup import Answer, judged_rows, row_frame, schema_id
from .observing import Tally
from .query import Query
from .reading import Keys, Values
from .settings import Limits

_FEATURE, _SERVICE, _COLUMN = 0x0A, 0x12, 0x1A  # tags of the request's fields
_MAY_PROJECT = bytes((0x28, pb.PROJECTION_IF_LONG))
"""What our clients append: an answer that turns out short is the same with it and without."""
_HEAD = ORDER_LENGTH + 2  # the order, and a schema id below 128
_SCHEMA_ID = 0x18  # the tag of a row's third field
_ALIKE_AT_MOST = 8
_REMEMBERED = 1024
_HEADS = 256

_Keys = Callable[[bytes, Sequence[int | str | bytes]], Keys]
_KINDS: dict[DType, tuple[bytes, type[pb.Int64Values | pb.StringValues | pb.BytesValues], _Keys]]
_KINDS = {
    DType.INT64: (b"\x12", pb.Int64Values, int64_keys),  # type: ignore[dict-item]  # of ints alone
    DType.STRING: (
        b"\x1a",
        pb.StringValues,
        lambda prefix, values: online_keys(prefix, [value.encode() for value in values]),  # type: ignore[union-attr]  # of texts alone
    ),
    DType.BYTES: (b"\x22", pb.BytesValues, online_keys),  # type: ignore[dict-item]  # of bytes
}


class Plan:
    """What a request's features decide, and nothing else of it.

    Attributes:
        groups: The names of the groups that are read.
        begins: How its requests begin: with what spells its features or its service, and the tag
            of a column. Only whole fields are in it, so that nothing else can follow.
    """

    def __init__(self, prefix: bytes, selection: Selection, key: JoinKey) -> None:
        """Prepare; all groups have this one join key, and no other."""
        self.begins = prefix + bytes((_COLUMN,))
        self.groups = [group.spec.name for group in selection.groups]
        name = key.name.encode()
        tag, self._values, self._keys = _KINDS[key.dtype]
        self._column = b"\x0a" + varint(len(name)) + name + tag
        self._judged = [_JudgedGroup(group) for group in selection.groups]
        self._service = b""
        if selection.service is not None:
            service_id = selection.service.service_id.encode()
            self._service = b"\x1a" + varint(len(service_id)) + service_id

    def asked(self, raw: bytes, limits: Limits) -> tuple[Keys, int] | None:
        """The keys of a request, and for how many entities; `None` for one that is not plain."""
        at = len(self.begins)
        try:
            size, at = _length(raw, at)
            end = at + size
            if end != len(raw) and raw[end:] != _MAY_PROJECT:
                return None
            if not raw.startswith(self._column, at):
                return None
            size, at = _length(raw, at + len(self._column))
            if at + size != end:
                return None
            values = self._values.FromString(raw[at:end]).values[:]
        except (IndexError, DecodeError):
            return None
        count, groups = len(values), self._judged
        if not 0 < count <= limits.entities or count * len(groups) > limits.rows:
            return None
        keys: Keys = []
        for group in groups:
            keys.append(group.guard)
            keys += self._keys(group.prefix, values)
        return keys, count

    def answer(self, values: Values, count: int, now_us: int) -> Answer:
        """As `Lookup.answer`."""
        parts: list[bytes] = []
        tallies: list[Tally] = []
        doubtful = False
        first = 0
        for group in self._judged:
            until = first + 1 + count
            body, tally, is_doubtful = group.judged(values, first, until, now_us)
            parts += (b"\x0a", varint(len(body)), body)
            tallies.append(tally)
            doubtful = doubtful or is_doubtful
            first = until
        parts += (b"\x11", now_us.to_bytes(8, "little", signed=True), self._service)
        return Answer(b"".join(parts), doubtful, tallies)


class Plans:
    """The plans of one snapshot, by how requests begin.

    Attributes:
        snapshot: The catalogue under which they hold.
    """

    def __init__(self, snapshot: Snapshot | None = None) -> None:
        """Begin with none."""
        self.snapshot = snapshot
        self._by_stem: dict[bytes, list[Plan]] = {}

    def of(self, raw: bytes) -> Plan | None:
        """The plan of a request that spells its features as one before did."""
        # What lies before the first byte that could be a column's tag is the same in all requests
        # for the same features; mostly it is all of their spelling.
        for plan in self._by_stem.get(raw[: raw.find(_COLUMN)], ()):
            if raw.startswith(plan.begins):
                return plan
        return None

    def learn(self, raw: bytes, query: Query, limits: Limits) -> None:
        """Make a plan of a request that was taken apart, if it is one of the plain form."""
        prefix = _prefix(raw)
        if prefix is None or self.snapshot is None:
            return
        try:
            selection = self.snapshot.select(query.features, query.service)
        except HeadraceError:  # it was answered from another snapshot
            return
        keys = {group.spec.entity.join_keys for group in selection.groups}
        join_keys = keys.pop() if len(keys) == 1 else ()
        if len(join_keys) != 1 or join_keys[0].dtype not in _KINDS:
            return
        plan = Plan(prefix, selection, join_keys[0])
        if plan.asked(raw, limits) is None:  # more is asked behind the column
            return
        if len(self._by_stem) >= _REMEMBERED:
            self._by_stem.clear()
        alike = self._by_stem.setdefault(raw[: raw.find(_COLUMN)], [])
        if len(alike) < _ALIKE_AT_MOST:
            alike.append(plan)


class _JudgedGroup:
    """A group, and what its rows' heads were found to say; rows of one publish share their head."""

    __slots__ = ("_floor", "_group", "_live", "_reference", "guard", "prefix")

    def __init__(self, group: ServedGroup) -> None:
        self._group, self._reference = group, group.spec.reference
        self.guard, self.prefix = group.guard, group.prefix
        self._floor: bytes | None = None
        # By the head of a row that this floor does not hide: its event timestamp.
        self._live: dict[bytes, int] = {}

    def judged(
        self, values: Values, first: int, until: int, now_us: int
    ) -> tuple[bytes, Tally, bool]:
        """The rows of one answer, what became of them, and whether a newer catalogue may help."""
        guard, rows = values[first], values[first + 1 : until]
        oldest = self._oldest_if_live(guard, rows, now_us)
        if oldest is None:
            return judged_rows(self._group, values, (first, until), now_us=now_us)
        lengths = set(map(len, rows))  # type: ignore[arg-type]  # none is absent: it is live
        if len(lengths) == 1:
            frame = row_frame(lengths.pop())
            body = b"".join((self._group.header, frame, frame.join(rows)))  # type: ignore[arg-type]  # as above
        else:
            framed = [part for row in rows for part in (row_frame(len(row)), row)]  # type: ignore[arg-type]  # as above
            body = self._group.header + b"".join(framed)  # type: ignore[arg-type]  # as above
        tally = Tally(self._reference, len(rows), 0, 0, 0, (now_us - oldest) / 1e6)
        return body, tally, False

    def _oldest_if_live(self, guard: bytes | None, rows: Values, now_us: int) -> int | None:
        """The oldest event timestamp, if each row holds and is served as it is."""
        if type(guard) is not bytes:  # it is missing, or there are several
            return None
        if guard != self._floor or len(self._live) > _HEADS:
            self._floor = guard
            self._live.clear()
        try:
            heads = {row[:_HEAD] for row in rows}  # type: ignore[index]  # raises where one is absent
        except TypeError:
            return None
        oldest = None
        for head in heads:
            event_timestamp = self._live.get(head)
            if event_timestamp is None:
                event_timestamp = self._event_timestamp(head, guard)
                if event_timestamp is None:
                    return None
                self._live[head] = event_timestamp
            if oldest is None or event_timestamp < oldest:
                oldest = event_timestamp
        ttl_us = self._group.ttl_us
        if oldest is None or (ttl_us is not None and now_us - oldest > ttl_us):
            return None
        return oldest

    def _event_timestamp(self, head: bytes, guard: bytes) -> int | None:
        """Of a row that is served as it is, unless it is stale."""
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


def _length(raw: bytes, at: int) -> tuple[int, int]:
    """A length, and where what it counts begins."""
    size = raw[at]
    if size < CONTINUES:
        return size, at + 1
    size &= 0x7F
    shift = 7
    for place in range(at + 1, at + 5):
        byte = raw[place]
        size |= (byte & 0x7F) << shift
        if byte < CONTINUES:
            return size, place + 1
        shift += 7
    raise IndexError


def _prefix(raw: bytes) -> bytes | None:
    """The fields before the first column, if they are references or one service, and no others."""
    at, services = 0, 0
    while at < len(raw) and raw[at] != _COLUMN:
        if raw[at] not in {_FEATURE, _SERVICE}:
            return None
        services += raw[at] == _SERVICE
        try:
            size, at = _length(raw, at + 1)
        except IndexError:
            return None
        at += size
    return raw[:at] if at < len(raw) and services <= 1 else None
