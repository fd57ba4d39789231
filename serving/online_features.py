"""What a client makes of an answer: values, statuses and where each value comes from."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from ..contract.errors import InvalidArgumentError
from ..contract.feature_group import DType, FeatureSpec, JoinKey
from ..contract.keys import KeyValue
from ..contract.proto.headrace.v1 import feature_service_pb2 as pb
from ..contract.rows import Value
from ..contract.status import Status, value_status
from .contract_messages import GroupContract

if TYPE_CHECKING:
    import pyarrow as pa

Stale: TypeAlias = Literal["null", "keep"]

_NUMERIC = frozenset({DType.BOOL, DType.INT32, DType.INT64, DType.FLOAT32, DType.FLOAT64})
_NO_ROW = -1


@dataclass(frozen=True, slots=True)
class FeatureColumn:
    """One feature of an answer.

    Attributes:
        name: `group__feature`.
        group: The position of its group among the answer's groups.
        feature: Its name and type within the group.
    """

    name: str
    group: int
    feature: FeatureSpec


class GroupRows:
    """The rows of one group, one per entity, as the server sent them."""

    def __init__(self, contract: GroupContract, rows: Sequence[pb.FeatureRow]) -> None:
        """Keep the rows; they are decoded when their values are asked for."""
        self.contract, self.rows = contract, rows

    @cached_property
    def decoded(self) -> Sequence[tuple[Value, ...] | None]:
        """Each row's values by its own schema; `None` where there is nothing to decode."""
        codecs = self.contract.codecs
        return [
            codecs[row.schema_id].values(row)
            if row.HasField("event_timestamp") and row.schema_id in codecs
            else None
            for row in self.rows
        ]

    def column(self, feature: str) -> tuple[list[Status], list[Value]]:
        """The status and the value of a feature in each row.

        Values of STALE rows are kept. A row that was written before its group had the feature has
        it as NULL; one that was written under a schema that the contract lacks is an ERROR.
        """
        positions = {
            schema_id: position
            for schema_id, codec in self.contract.codecs.items()
            for position, spec in enumerate(codec.features)
            if spec.name == feature
        }
        values = [
            None
            if decoded is None or (position := positions.get(row.schema_id)) is None
            else decoded[position]
            for row, decoded in zip(self.rows, self.decoded, strict=True)
        ]
        statuses = [
            if_null if value is None else if_not
            for value, (if_not, if_null) in zip(values, self._row_statuses, strict=True)
        ]
        return statuses, values

    @cached_property
    def _row_statuses(self) -> Sequence[tuple[Status, Status]]:
        """For each row, the status of its values that are not null and of those that are."""
        pairs = []
        for row, decoded in zip(self.rows, self.decoded, strict=True):
            found = row.HasField("event_timestamp")
            judged = partial(
                value_status,
                failed=row.status == pb.ROW_STATUS_ERROR or (found and decoded is None),
                found=found,
                stale=row.status == pb.ROW_STATUS_STALE,
            )
            pairs.append((judged(null=False), judged(null=True)))
        return pairs


class OnlineFeatures:
    """Feature values of entities, in the order in which both were asked for.

    Arrays are (entities × features), or (entities × groups) where they say which row a value comes
    from; `groups` names the latter's columns and `group_index` says which one a feature belongs to.
    """

    def __init__(
        self,
        entities: Mapping[str, Sequence[KeyValue]],
        columns: Sequence[FeatureColumn],
        groups: Sequence[GroupRows],
        *,
        answered_at: int,
        stale: Stale,
    ) -> None:
        """Keep the rows; they are decoded when they are asked for.

        Args:
            entities: Join key values by join key.
            columns: The features asked for.
            groups: The answer's groups.
            answered_at: The server's clock, in microseconds.
            stale: Whether the values of STALE rows are hidden or kept.
        """
        self._entities, self._columns, self._groups = entities, tuple(columns), tuple(groups)
        self._answered_at, self._keeps_stale = answered_at, stale == "keep"

    def __len__(self) -> int:
        """The number of entities."""
        return len(next(iter(self._entities.values())))

    @property
    def feature_names(self) -> list[str]:
        """`group__feature`, in the order asked."""
        return [column.name for column in self._columns]

    @property
    def groups(self) -> list[str]:
        """The groups' names, in the order in which the request first names them."""
        return [group.contract.name for group in self._groups]

    @property
    def group_index(self) -> list[int]:
        """For each feature, the column of its group in the (entities × groups) arrays."""
        return [column.group for column in self._columns]

    @property
    def versions(self) -> list[int]:
        """The version of each group that answered."""
        return [group.contract.version for group in self._groups]

    @property
    def answered_at(self) -> np.datetime64:
        """The server's clock when it judged ages (UTC, microseconds)."""
        return np.datetime64(self._answered_at, "us")

    @cached_property
    def statuses(self) -> npt.NDArray[np.int8]:
        """A `Status` per (entity, feature)."""
        statuses = [statuses for statuses, _ in self._cells]
        return np.array(statuses, np.int8).reshape(len(self._columns), len(self)).T

    @cached_property
    def event_timestamps(self) -> npt.NDArray[np.datetime64]:
        """When each row's values became true (UTC, microseconds); NaT where there is no row."""
        missing = np.datetime64("NaT").astype("datetime64[us]").astype(np.int64).item()
        return self._per_row("event_timestamp", missing).astype("datetime64[us]")

    @cached_property
    def ages(self) -> npt.NDArray[np.timedelta64]:
        """How old each row was by the server's clock; NaT where there is no row."""
        return np.datetime64(self._answered_at, "us") - self.event_timestamps

    @cached_property
    def table_versions(self) -> npt.NDArray[np.int64]:
        """The Delta version that holds each row; -1 where there is no row."""
        return self._per_row("table_version", _NO_ROW)

    @cached_property
    def generations(self) -> npt.NDArray[np.int64]:
        """Which computation of its partition wrote each row; -1 where there is no row."""
        return self._per_row("generation", _NO_ROW)

    def to_dicts(self) -> list[dict[str, Value]]:
        """One dict per entity: its join keys, then its features; `None` where not PRESENT."""
        columns = {**self._entities, **dict(zip(self.feature_names, self._values, strict=True))}
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def to_numpy(self) -> npt.NDArray[np.float64]:
        """Values as float64 (entities × features); NaN where not PRESENT.

        Booleans become 0 and 1; 64-bit integers beyond 2^53 lose digits.

        Raises:
            InvalidArgumentError: A feature is not numeric; the message names all of them.
        """
        others = [column.name for column in self._columns if column.feature.dtype not in _NUMERIC]
        if others:
            raise InvalidArgumentError(
                argument="to_numpy",
                problem=f"not numeric: {', '.join(others)}",
                remedy="ask for numeric features alone, or use to_arrow or to_dicts",
            )
        values = [[np.nan if value is None else value for value in row] for row in self._values]
        return np.array(values, np.float64).reshape(len(self._columns), len(self)).T

    def to_arrow(self) -> "pa.Table":
        """A table of the join keys and the features, of their own types; null where not PRESENT."""
        import pyarrow as pa  # noqa: PLC0415  # 100 ms that only callers of this method pay

        types = _arrow_types()
        fields = [pa.field(key.name, types[key.dtype]) for key in self._join_keys()]
        arrays = [pa.array(self._entities[field.name], field.type) for field in fields]
        for column, values in zip(self._columns, self._values, strict=True):
            fields.append(pa.field(column.name, types[column.feature.dtype]))
            arrays.append(pa.array(values, fields[-1].type))
        return pa.Table.from_arrays(arrays, schema=pa.schema(fields))

    @cached_property
    def _cells(self) -> list[tuple[list[Status], list[Value]]]:
        return [self._groups[column.group].column(column.feature.name) for column in self._columns]

    @cached_property
    def _values(self) -> list[list[Value]]:
        """One list per feature: what the caller may see."""
        shown = {Status.PRESENT, Status.STALE} if self._keeps_stale else {Status.PRESENT}
        return [
            [
                value if status in shown else None
                for status, value in zip(statuses, values, strict=True)
            ]
            for statuses, values in self._cells
        ]

    def _join_keys(self) -> Iterable[JoinKey]:
        keys = {key.name: key for group in self._groups for key in group.contract.entity.join_keys}
        return (keys[name] for name in self._entities)

    def _per_row(self, field: str, missing: int) -> npt.NDArray[np.int64]:
        numbers = [
            [
                getattr(row, field) if row.HasField("event_timestamp") else missing
                for row in group.rows
            ]
            for group in self._groups
        ]
        return np.array(numbers, np.int64).reshape(len(self._groups), len(self)).T


def _arrow_types() -> "Mapping[DType, pa.DataType]":
    import pyarrow as pa  # noqa: PLC0415  # as above

    return {
        DType.BOOL: pa.bool_(),
        DType.INT32: pa.int32(),
        DType.INT64: pa.int64(),
        DType.FLOAT32: pa.float32(),
        DType.FLOAT64: pa.float64(),
        DType.STRING: pa.string(),
        DType.BYTES: pa.binary(),
        DType.DATE: pa.date32(),
        DType.TIMESTAMP: pa.timestamp("us", tz="UTC"),
        DType.FLOAT32_LIST: pa.list_(pa.float32()),
        DType.FLOAT64_LIST: pa.list_(pa.float64()),
        DType.INT64_LIST: pa.list_(pa.int64()),
    }
