"""Receipts: what a training set was made of, so exactly that it can be checked and made again."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import numpy as np
import polars as pl

from ...contract.document import canonical_json

FORMAT = 1


@dataclass(frozen=True, slots=True)
class TableReading:
    """One feature table as it was read.

    Attributes:
        group: The group and its version, `group@version`.
        table_version: The Delta version; -1 when there was nothing yet.
        document: The digest of the document under whose TTL and semantics it was read.
    """

    group: str
    table_version: int
    document: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """All that decides the content of a training set, and digests of what went in and came out.

    Attributes:
        features: In the order of the columns, each with its group's version.
        known_at: The instant as of which tables were read; `None` for the newest state.
        spine_hash: The `content_hash` of the spine.
        null_counts: By feature column: how often nothing was known, it was too old, or it was null.
        content_hash: The `content_hash` of the result.
    """

    features: tuple[str, ...]
    tables: tuple[TableReading, ...]
    known_at: datetime | None
    rows: int
    spine_hash: str
    null_counts: Mapping[str, int]
    content_hash: str

    def to_json(self) -> str:
        """The receipt as one canonical JSON object: equal receipts are equal texts."""
        known_at = self.known_at and self.known_at.astimezone(UTC).isoformat()
        return canonical_json({**asdict(self), "format": FORMAT, "known_at": known_at}).decode()


def content_hash(frame: pl.DataFrame) -> str:
    """A digest of names, types and values, in order, that no release of polars changes.

    Every NaN counts as the same value, and -0.0 is not 0.0.
    """
    content = hashlib.sha256(f"{FORMAT} {frame.height}".encode())
    for column in frame.iter_columns():
        content.update(f"\n{column.name} {column.dtype}\n".encode())
        _update(content, column)
    return content.hexdigest()[:32]


def _update(content: "hashlib._Hash", values: pl.Series) -> None:
    content.update(np.packbits(values.is_null().to_numpy()).tobytes())
    present = values.drop_nulls()
    dtype = values.dtype
    if isinstance(dtype, pl.List | pl.Array):
        lists = present.arr.to_list() if isinstance(dtype, pl.Array) else present
        content.update(lists.list.len().cast(pl.UInt64).to_numpy().tobytes())
        _update(content, lists.explode(empty_as_null=False))
    elif isinstance(dtype, pl.Struct):
        for field in present.struct.unnest().iter_columns():
            _update(content, field)
    elif isinstance(dtype, pl.String | pl.Binary | pl.Categorical | pl.Enum | pl.Decimal):
        text = present if dtype == pl.Binary() else present.cast(pl.String).cast(pl.Binary)
        content.update(text.bin.size().cast(pl.UInt64).to_numpy().tobytes())
        content.update(b"".join(text))
    elif dtype.is_float():
        content.update(present.fill_nan(float("nan")).to_numpy().tobytes())
    else:
        content.update(present.to_physical().to_numpy().tobytes())
