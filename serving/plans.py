"""Requests of the plain form: what they ask is looked up by their first bytes, not taken apart.

Callers ask for the same features again and again, for other entities. A `Plan` holds what those
features decide; it is found by the bytes that spell them. What is left, one column of join key
values, is checked byte by byte. A request of any other form, also a wrong one, has no plan, and
goes the way of every request (`query.py`, `lookup.py`): that one says what is wrong with it.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from google.protobuf.message import DecodeError

from ..contract.errors import HeadraceError
from ..contract.feature_group import DType, JoinKey
from ..contract.keys import FIRST_DAY, LAST_DAY, int64_keys, online_keys
from ..contract.proto.headrace.v1 import feature_service_pb2 as pb
from ..contract.varint import CONTINUES, varint
from .contracts import Selection, Snapshot
from .judged_heads import JudgedHeads
from .lookup import Answer
from .query import Query
from .reading import Keys, Values
from .settings import Limits

if TYPE_CHECKING:
    from .observing import Tally

_FEATURE, _SERVICE, _COLUMN = 0x0A, 0x12, 0x1A  # tags of the request's fields
_ALIKE_AT_MOST = 8
_REMEMBERED = 1024
_LONGEST_PREFIX = 16 * 1024
_ENDS, _LONGEST_END = 16, 32
_UNKNOWN = -1  # no maximal age is below zero

_Int64s, _Strings, _Bytes = pb.Int64Values, pb.StringValues, pb.BytesValues
_Spelling: TypeAlias = type[pb.Int64Values | pb.StringValues | pb.BytesValues]
_Keys = Callable[[bytes, Sequence[int | str | bytes]], Keys]


class _Kind(NamedTuple):
    """How values of a join key are spelled and made keys of, and which there are."""

    tag: bytes
    values: _Spelling
    make_keys: _Keys
    bounds: tuple[int, int] | None = None


def _text_keys(prefix: bytes, values: Sequence[str]) -> Keys:
    return online_keys(prefix, [value.encode() for value in values])


_KINDS: dict[DType, _Kind] = {
    DType.INT64: _Kind(b"\x12", _Int64s, int64_keys),  # type: ignore[arg-type]  # of ints alone
    DType.INT32: _Kind(b"\x12", _Int64s, int64_keys, (-(2**31), 2**31 - 1)),  # type: ignore[arg-type]
    DType.DATE: _Kind(b"\x12", _Int64s, int64_keys, (FIRST_DAY, LAST_DAY)),  # type: ignore[arg-type]
    DType.STRING: _Kind(b"\x1a", _Strings, _text_keys),  # type: ignore[arg-type]  # of texts alone
    DType.BYTES: _Kind(b"\x22", _Bytes, online_keys),  # type: ignore[arg-type]  # of bytes alone
}


class Asked(NamedTuple):
    """What a request asks beside its features: for whom, and how old rows may be."""

    keys: Keys
    entity_count: int
    max_age_us: int | None


class Plan:
    """What a request's features decide, and nothing else of it.

    Attributes:
        groups: The names of the groups that are read.
        begins: How its requests begin: with what spells its features or its service, and the tag
            of a column. Only whole fields are in it, so that nothing else can follow.
    """

    def __init__(
        self, prefix: bytes, selection: Selection, key: JoinKey, heads: Sequence[JudgedHeads]
    ) -> None:
        """Prepare; all groups have this one join key, and no other."""
        self.begins = prefix + bytes((_COLUMN,))
        self.groups = [group.spec.name for group in selection.groups]
        name = key.name.encode()
        self._kind = _KINDS[key.dtype]
        self._column = b"\x0a" + varint(len(name)) + name + self._kind.tag
        self._heads = heads
        # The maximal age, by the bytes behind the column. Callers end their requests alike.
        self._ends: dict[bytes, int | None] = {}
        self._service = b""
        if selection.service is not None:
            service_id = selection.service.service_id.encode()
            self._service = b"\x1a" + varint(len(service_id)) + service_id

    def asked(self, raw: bytes, limits: Limits) -> Asked | None:
        """What a request asks beside its features; `None` for one that is not plain."""
        at = len(self.begins)
        try:
            size, at = _length(raw, at)
            end = at + size
            max_age_us = self._ends.get(raw[end:], _UNKNOWN)
            if max_age_us == _UNKNOWN or end > len(raw) or not raw.startswith(self._column, at):
                return None
            size, at = _length(raw, at + len(self._column))
            if at + size != end:
                return None
            values = self._kind.values.FromString(raw[at:end]).values[:]
        except (IndexError, DecodeError):
            return None
        count, groups = len(values), self._heads
        if not 0 < count <= limits.entities or count * len(groups) > limits.rows:
            return None
        if self._kind.bounds is not None and not _lie_within(values, *self._kind.bounds):  # type: ignore[arg-type]  # numbers
            return None
        keys: Keys = []
        for group in groups:
            keys.append(group.guard)
            keys += self._kind.make_keys(group.prefix, values)
        return Asked(keys, count, max_age_us)

    def learn(self, raw: bytes, query: Query) -> bool:
        """Learn what the bytes behind the column ask; whether that can be learned."""
        size, at = _length(raw, len(self.begins))
        ending = raw[at + size :]
        if len(ending) > _LONGEST_END or query.projection == pb.PROJECTION_ALWAYS:
            return False
        asked = pb.GetOnlineFeaturesRequest.FromString(ending)
        if asked.features or asked.feature_service or asked.entities:
            return False
        if len(self._ends) >= _ENDS:
            self._ends.clear()
        self._ends[ending] = query.max_age_us
        return True

    def answer(self, asked: Asked, values: Values, now_us: int) -> Answer:
        """As `Lookup.answer`, with whole rows."""
        parts: list[bytes] = []
        tallies: list[Tally] = []
        doubtful = False
        first = 0
        for group in self._heads:
            until = first + 1 + asked.entity_count
            body, tally, is_doubtful = group.framed(
                values, (first, until), now_us, asked.max_age_us
            )
            parts += (b"\x0a", varint(len(body)), body)
            tallies.append(tally)
            doubtful = doubtful or is_doubtful
            first = until
        parts += (b"\x11", now_us.to_bytes(8, "little", signed=True), self._service)
        return Answer(b"".join(parts), doubtful, tallies)


class Plans:
    """The plans of one snapshot, by how requests begin; bounded in number and in bytes.

    Attributes:
        snapshot: The catalogue under which they hold.
    """

    def __init__(self, snapshot: Snapshot | None = None) -> None:
        """Begin with none."""
        self.snapshot = snapshot
        self._by_stem: dict[bytes, list[Plan]] = {}
        self._count = 0
        # Shared by all plans: heads are of a group, whoever asks for it.
        self._heads: dict[str, JudgedHeads] = {}

    def __len__(self) -> int:
        """How many there are."""
        return self._count

    def of(self, raw: bytes) -> Plan | None:
        """The plan of a request that spells its features as one before did."""
        # What lies before the first byte that could be a column's tag is the same in all requests
        # for the same features; mostly it is all of their spelling.
        for plan in self._by_stem.get(raw[: raw.find(_COLUMN)], ()):
            if raw.startswith(plan.begins):
                return plan
        return None

    def learn(self, raw: bytes, query: Query) -> None:
        """Make a plan of a request that was taken apart, if it is one of the plain form."""
        known = self.of(raw)
        if known is not None:
            known.learn(raw, query)
            return
        alike = self._by_stem.get(raw[: raw.find(_COLUMN)], ())
        plan = None if len(alike) >= _ALIKE_AT_MOST else self._made(raw, query)
        if plan is None or not plan.learn(raw, query):
            return
        if self._count >= _REMEMBERED:
            self._by_stem.clear()
            self._count = 0
        self._by_stem.setdefault(raw[: raw.find(_COLUMN)], []).append(plan)
        self._count += 1

    def _made(self, raw: bytes, query: Query) -> Plan | None:
        prefix = _prefix(raw)
        if prefix is None or self.snapshot is None:
            return None
        try:
            selection = self.snapshot.select(query.features, query.service)
        except HeadraceError:  # it was answered from another snapshot
            return None
        keys = {group.spec.entity.join_keys for group in selection.groups}
        join_keys = keys.pop() if len(keys) == 1 else ()
        if len(join_keys) != 1:
            return None
        heads = [
            self._heads.setdefault(group.spec.reference, JudgedHeads(group))
            for group in selection.groups
        ]
        return Plan(prefix, selection, join_keys[0], heads)


def _lie_within(values: Sequence[int], least: int, most: int) -> bool:
    return min(values) >= least and max(values) <= most


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
    is_plain = at < len(raw) and at <= _LONGEST_PREFIX and services <= 1
    return raw[:at] if is_plain else None
