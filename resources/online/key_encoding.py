"""Online keys by columns: byte-equal to `contract.keys`, and the Cluster slot of each."""

import binascii
from typing import Any, TypeAlias

import numpy as np
import polars as pl

from ...contract.cluster_slots import SLOTS
from ...contract.errors import InvalidEntityError
from ...contract.feature_group import DType, EntitySpec, JoinKey
from ...contract.keys import TAGS, group_prefix
from .byte_column import ByteColumn, Bytes, Part, joined

_Checksums: TypeAlias = np.ndarray[Any, np.dtype[np.uint16]]

_VARIABLE = frozenset({DType.STRING, DType.BYTES})
_FEW = 32
# A byte's checksum is the entry of the classic table: crc_hqx is the CRC16 of Redis Cluster.
_TABLE = np.array([binascii.crc_hqx(bytes([byte]), 0) for byte in range(256)], np.uint16)
_TAGS = np.frombuffer(b"".join(TAGS), np.uint8).reshape(len(TAGS), -1)


def online_keys(entity: EntitySpec, group_id: int, frame: pl.DataFrame) -> ByteColumn:
    """The online key of each row, in the frame's order; only the join key columns are read.

    Raises:
        InvalidEntityError: A join key is null.
    """
    entities = entity_bytes(entity, frame)
    tags = np.take(_TAGS, checksums(entities) & (len(TAGS) - 1), axis=0)
    return joined(frame.height, [tags, group_prefix(group_id), entities])


def entity_bytes(entity: EntitySpec, frame: pl.DataFrame) -> ByteColumn:
    """The entity bytes of each row: its join key values in declared order.

    Raises:
        InvalidEntityError: A join key is null.
    """
    parts: list[Part] = []
    for position, key in enumerate(entity.join_keys):
        parts += _part(entity, key, frame[key.name], last=position == len(entity.join_keys) - 1)
    return joined(frame.height, parts)


def key_slots(keys: ByteColumn) -> _Checksums:
    """The Redis Cluster slot of each online key: of the two characters in its tag."""
    first, second = (keys.raw[keys.offsets[:-1] + at] for at in (1, 2))
    sums = _next(_next(np.zeros(len(keys), np.uint16), first), second)
    return np.bitwise_and(sums, np.uint16(SLOTS - 1), dtype=np.uint16)


def key_tags(keys: ByteColumn) -> _Checksums:
    """The two characters in the tag of each online key, as a number."""
    first, second = (keys.raw[keys.offsets[:-1] + at].astype(np.uint16) for at in (1, 2))
    return np.left_shift(first, np.uint16(8)) | second


def checksums(strings: ByteColumn) -> _Checksums:
    """The CRC16 (XMODEM) of each string.

    Goes through the strings byte by byte, all of them at once: of strings of several lengths the
    longest come first, so that those that are not at their end are always the first ones.
    """
    if (width := strings.width) is not None:
        matrix = np.frombuffer(strings.buffer, np.uint8).reshape(len(strings), width)
        found = np.zeros(len(strings), np.uint16)
        for column in np.ascontiguousarray(matrix.T):
            found = _next(found, column)
        return found
    order = np.argsort(-strings.lengths, kind="stable")
    ends, starts = strings.offsets[1:][order], strings.offsets[:-1][order]
    shorter, sums, at = starts - ends, np.zeros(len(strings), np.uint16), 0
    while (left := int(np.searchsorted(shorter, -at))) > _FEW:
        sums[:left] = _next(sums[:left], strings.raw[starts[:left] + at])
        at += 1
    for place in range(left):  # a few long ones: a step for each of their bytes would be slower
        rest = strings.raw[starts[place] + at : ends[place]]
        sums[place] = binascii.crc_hqx(rest.tobytes(), int(sums[place]))
    found = np.empty_like(sums)
    found[order] = sums
    return found


def _next(sums: _Checksums, column: Bytes) -> _Checksums:
    entries: _Checksums = _TABLE[(sums >> 8).astype(np.uint8) ^ column]
    shifted: _Checksums = np.left_shift(sums, np.uint16(8))
    return shifted ^ entries


def _part(entity: EntitySpec, key: JoinKey, values: pl.Series, *, last: bool) -> list[Part]:
    if values.null_count():
        raise InvalidEntityError(
            entity=entity.name, join_key=key.name, expected=key.dtype.name, got=None
        )
    if key.dtype not in _VARIABLE:
        numbers = values.to_physical().to_numpy().astype(">i8")
        return [numbers.view(np.uint8).reshape(-1, 8)]
    strings = ByteColumn.of_arrow(values.cast(pl.Binary).to_arrow())
    if last:
        return [strings]
    return [strings.lengths.astype(">u4").view(np.uint8).reshape(-1, 4), strings]
