"""Online keys: injective, typed, short, and with all groups of one entity in one Cluster slot.

A row's key is `{tt}` + 2 bytes of group id + entity bytes. The id stands for (namespace, group,
version) and fixes the types of the join keys, so entity bytes have to be injective for one tuple of
types only. The tag holds two characters of a safe alphabet: a raw `}` (0x7d) inside it would end
the tag early and send the key to another slot.
"""

import binascii
import struct
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from itertools import repeat
from typing import TypeAlias

from .errors import InvalidEntityError
from .feature_group import DType, EntitySpec, JoinKey

KeyValue: TypeAlias = int | str | bytes | date
KeyEncoder: TypeAlias = Callable[[Sequence[KeyValue]], bytes]
KeyDecoder: TypeAlias = Callable[[bytes], tuple[KeyValue, ...]]

MAX_GROUP_ID = 2**16 - 1
ENTITY_AT = 6
"""Where the entity bytes begin in an online key."""
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
TAGS = tuple(b"{" + bytes((_ALPHABET[i >> 6], _ALPHABET[i & 63])) + b"}" for i in range(4096))
_INT32 = struct.Struct(">i")
_INT64 = struct.Struct(">q")
_PREFIXED_INT64 = struct.Struct(">Hq")
_LENGTH = struct.Struct(">I")
_EPOCH = date(1970, 1, 1).toordinal()
FIRST_DAY, LAST_DAY = (day.toordinal() - _EPOCH for day in (date.min, date.max))
"""The dates that there are, as days since 1970-01-01."""


def group_prefix(group_id: int) -> bytes:
    """The 2 bytes that stand for (namespace, group, version) in every key of theirs."""
    if not 0 < group_id <= MAX_GROUP_ID:
        msg = f"a group id lies in 1..{MAX_GROUP_ID}; got {group_id}"
        raise ValueError(msg)
    return group_id.to_bytes(2, "big")


def online_key(prefix: bytes, entity: bytes) -> bytes:
    """The online key of an entity's row.

    Args:
        prefix: The group's `group_prefix`.
        entity: What an `entity_encoder` made of the join key values.
    """
    return TAGS[binascii.crc_hqx(entity, 0) & 4095] + prefix + entity


def online_keys(prefix: bytes, entities: Iterable[bytes]) -> list[bytes]:
    """The `online_key` of each entity."""
    start, crc, tags = _crc_start(prefix), binascii.crc_hqx, TAGS
    return [tags[crc(key, start) & 4095] + key for key in [prefix + each for each in entities]]


def int64_keys(prefix: bytes, values: Iterable[int]) -> list[bytes]:
    """The `online_key` of each entity of a single integer join key; the integers fit 64 bits."""
    start, crc, tags, pack = _crc_start(prefix), binascii.crc_hqx, TAGS, _PREFIXED_INT64.pack
    # The start is the prefix as a number, too.
    return [tags[crc(key, start) & 4095] + key for key in map(pack, repeat(start), values)]


def _crc_start(prefix: bytes) -> int:
    """From here the checksum is back at 0 behind the prefix: only the entity counts in it."""
    return int.from_bytes(prefix, "big")


def entity_encoder(entity: EntitySpec) -> KeyEncoder:
    """A function from join key values, in declared order, to entity bytes; built once per entity.

    Integers and dates take 8 bytes, big-endian two's complement. Strings (UTF-8) and bytes are
    stored as they are when they come last and behind a 4-byte length otherwise, so that ("ab", "c")
    and ("a", "bc") differ.

    The function raises `InvalidEntityError` when a value is missing, of another type or out of
    range.
    """
    parts = [
        _part_encoder(entity.name, key, last=position == len(entity.join_keys) - 1)
        for position, key in enumerate(entity.join_keys)
    ]
    if len(parts) == 1:
        return lambda values: parts[0](values[0])
    return lambda values: b"".join([part(value) for part, value in zip(parts, values, strict=True)])


def entity_decoder(entity: EntitySpec) -> KeyDecoder:
    """A function from entity bytes back to the join key values, in declared order."""

    def decode(raw: bytes) -> tuple[KeyValue, ...]:
        values, at = [], 0
        for position, key in enumerate(entity.join_keys):
            if key.dtype in _VARIABLE and position < len(entity.join_keys) - 1:
                (length,) = _LENGTH.unpack_from(raw, at)
                at += _LENGTH.size
            else:
                length = len(raw) - at if key.dtype in _VARIABLE else _INT64.size
            values.append(_part(key.dtype, raw[at : at + length]))
            at += length
        return tuple(values)

    return decode


def _part(dtype: DType, raw: bytes) -> KeyValue:
    if dtype in _VARIABLE:
        return raw.decode() if dtype is DType.STRING else raw
    (number,) = _INT64.unpack(raw)
    return date.fromordinal(number + _EPOCH) if dtype is DType.DATE else int(number)


def _part_encoder(entity: str, key: JoinKey, *, last: bool) -> Callable[[KeyValue], bytes]:
    to_bytes = _TO_BYTES[key.dtype]
    has_length = key.dtype in _VARIABLE and not last

    def encode(value: KeyValue) -> bytes:
        try:
            raw = to_bytes(value)
        except (TypeError, struct.error, UnicodeEncodeError) as error:
            raise InvalidEntityError(
                entity=entity, join_key=key.name, expected=key.dtype.name, got=value
            ) from error
        return _LENGTH.pack(len(raw)) + raw if has_length else raw

    return encode


def _int64(value: KeyValue) -> bytes:
    # A bool is an int to Python, but True and 1 are not one entity to anybody else.
    if type(value) is not int:
        raise TypeError
    return _INT64.pack(value)


def _int32(value: KeyValue) -> bytes:
    if type(value) is not int:
        raise TypeError
    _INT32.pack(value)  # refuses what does not fit; the key itself always holds 8 bytes
    return _INT64.pack(value)


def _date(value: KeyValue) -> bytes:
    if not isinstance(value, date) or isinstance(value, datetime):
        raise TypeError
    return _INT64.pack(value.toordinal() - _EPOCH)


def _string(value: KeyValue) -> bytes:
    if not isinstance(value, str):
        raise TypeError
    return value.encode()


def _bytes(value: KeyValue) -> bytes:
    if not isinstance(value, bytes):
        raise TypeError
    return value


_TO_BYTES: dict[DType, Callable[[KeyValue], bytes]] = {
    DType.INT32: _int32,
    DType.INT64: _int64,
    DType.DATE: _date,
    DType.STRING: _string,
    DType.BYTES: _bytes,
}
_VARIABLE = frozenset({DType.STRING, DType.BYTES})
