"""Receipts: what a training set was made of, so exactly that it can be checked and made again."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, NoReturn

from ...contract.document import canonical_json, digest
from ...contract.errors import InvalidArgumentError
from ...contract.references import parse_reference

FORMAT = 1
_DECIDES_NOTHING = ("made_by", "spine_parts")


@dataclass(frozen=True, slots=True)
class TableReading:
    """One feature table as it was read.

    Attributes:
        group: The group and its version, `group@version`.
        table_id: Delta's id of the table, which one of the same name made later does not share;
            `None` when there was nothing yet.
        table_version: The Delta version; -1 when there was nothing yet.
        document: The digest of the document under whose TTL and semantics it was read.
    """

    group: str
    table_id: str | None
    table_version: int
    document: str


@dataclass(frozen=True, slots=True)
class SpinePart:
    """Consecutive rows of the spine: the name by which the offline store keeps them."""

    name: str
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """All that decides the content of a training set, and digests of what went in and came out.

    Attributes:
        namespace: Whose live versions counted where a feature was asked without a version.
        features: In the order of the columns, each with its group's version.
        known_at: The instant as of which tables were read; `None` for the newest state.
        spine_hash: The digest of the spine, as `content_hash` computes it.
        spine_parts: Under which names the spine is kept, in order.
        null_counts: By feature column: how often nothing was known, it was too old, or it was null.
        column_hashes: The digest of each column, the spine's first, in the columns' order.
        content_hash: The digest of the result, as `content_hash` computes it.
        made_by: The release that made it; for people, it decides nothing.
    """

    namespace: str
    features: tuple[str, ...]
    tables: tuple[TableReading, ...]
    known_at: datetime | None
    rows: int
    spine_hash: str
    spine_parts: tuple[SpinePart, ...]
    null_counts: Mapping[str, int]
    column_hashes: Mapping[str, str]
    content_hash: str
    made_by: str

    @property
    def id(self) -> str:
        """The name by which the offline store keeps it; equal of sets that are made of the same."""
        decisive = {name: value for name, value in self._fields().items() if name != "id"}
        for name in _DECIDES_NOTHING:
            del decisive[name]
        return digest(canonical_json(decisive))

    @property
    def spine_columns(self) -> tuple[str, ...]:
        """The columns of the spine: those that are no features."""
        return tuple(name for name in self.column_hashes if name not in self.null_counts)

    def to_json(self) -> str:
        """The receipt as one canonical JSON object: equal receipts are equal texts."""
        return canonical_json({**self._fields(), "id": self.id}).decode()

    @classmethod
    def from_json(cls, text: str) -> "Receipt":
        """The receipt that a text holds.

        Raises:
            InvalidArgumentError: It holds none, or one of a format that this release does not read.
        """
        try:
            found = json.loads(text)
            form = found["format"]
            return cls(**_values(found)) if form == FORMAT else _refuse(f"its format is {form!r}")
        except (ValueError, KeyError, TypeError) as error:
            _refuse(f"it is no receipt: {_in_words(error)}", error)

    def _fields(self) -> dict[str, Any]:
        hashes = [{"name": name, "hash": each} for name, each in self.column_hashes.items()]
        return {
            **asdict(self),
            "format": FORMAT,
            "known_at": self.known_at and self.known_at.astimezone(UTC).isoformat(),
            "column_hashes": hashes,  # an object's names have no order
        }


def _values(found: Mapping[str, Any]) -> dict[str, Any]:
    known_at, read = found["known_at"], {each["group"] for each in found["tables"]}
    for text in found["features"]:
        reference = parse_reference(text)
        if f"{reference.group}@{reference.version}" not in read:
            raise KeyError(text)
    values = {name: found[name] for name in Receipt.__dataclass_fields__}
    return {
        **values,
        "features": tuple(found["features"]),
        "tables": tuple(TableReading(**each) for each in found["tables"]),
        "known_at": None if known_at is None else datetime.fromisoformat(known_at),
        "spine_parts": tuple(SpinePart(**each) for each in found["spine_parts"]),
        "column_hashes": {each["name"]: each["hash"] for each in found["column_hashes"]},
    }


def _in_words(error: ValueError | KeyError | TypeError) -> str:
    match error:
        case json.JSONDecodeError():
            return f"line {error.lineno} is no JSON"
        case KeyError():
            return f"{error} is missing"
        case TypeError():
            return "its fields are not those of one"
        case _:
            return str(error)


def _refuse(problem: str, cause: Exception | None = None) -> NoReturn:
    raise InvalidArgumentError(
        argument="receipt",
        problem=f"{problem}, and this release reads receipts of format {FORMAT}",
        remedy="name a file that `training-set --receipt` wrote, by this release or an older one",
    ) from cause
