"""What a client makes of an answer: values, statuses and where each value comes from."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

from ..contract.errors import InvalidArgumentError
from ..contract.feature_group import DType, FeatureSpec, JoinKey
from ..contract.keys import KeyValue
from ..contract.row_batches import Flags, Heads
from ..contract.rows import Value
from ..contract.status import Status
from .contract_messages import GroupContract
from .group_rows import GroupRows
from .question import Stale

if TYPE_CHECKING:
    import pyarrow as pa

_Scalar = TypeVar("_Scalar", bound=np.generic)

_NUMERIC = frozenset({DType.BOOL, DType.INT32, DType.INT64, DType.FLOAT32, DType.FLOAT64})
_NO_ROW = -1
_NOT_A_TIME = -(2**63)


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


class AnswerColumns:
    """The features asked for, and which of them each group holds; the same for many answers.

    Attributes:
        columns: In the order asked.
        names: `group__feature` of each.
        by_group: For each group that holds any: its position, their names within it, and their
            places among the columns (`None`: they are all columns there are, in order).
    """

    def __init__(self, columns: Sequence[FeatureColumn]) -> None:
        """Sort the columns by group."""
        self.columns = tuple(columns)
        self.names = [column.name for column in columns]
        places: dict[int, list[int]] = {}
        for place, column in enumerate(columns):
            places.setdefault(column.group, []).append(place)
        self.by_group = [
            (
                group,
                tuple(columns[place].feature.name for place in held),
                np.array(held) if len(places) > 1 else None,
            )
            for group, held in places.items()
        ]

    def __len__(self) -> int:
        """The number of features."""
        return len(self.columns)

    def refuse_others_than_numbers(self) -> None:
        """Refuse features of which there is no float64.

        Raises:
            InvalidArgumentError: Names all of them.
        """
        others = [column.name for column in self.columns if column.feature.dtype not in _NUMERIC]
        if others:
            raise InvalidArgumentError(
                argument="to_numpy",
                problem=f"not numeric: {', '.join(others)}",
                remedy="ask for numeric features alone, or use to_arrow or to_dicts",
            )


class OnlineFeatures:
    """Feature values of entities, in the order in which both were asked for.

    Arrays are (entities × features), or (entities × groups) where they say which row a value comes
    from; `groups` names the latter's columns and `group_index` says which one a feature belongs to.
    """

    def __init__(
        self,
        entities: Mapping[str, Sequence[KeyValue]],
        columns: AnswerColumns,
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
        self._entities, self._asked, self._groups = entities, columns, tuple(groups)
        self._answered_at, self._keeps_stale = answered_at, stale == "keep"

    def __len__(self) -> int:
        """The number of entities."""
        return len(next(iter(self._entities.values())))

    @property
    def feature_names(self) -> list[str]:
        """`group__feature`, in the order asked."""
        return list(self._asked.names)

    @property
    def groups(self) -> list[str]:
        """The groups' names, in the order in which the request first names them."""
        return [group.contract.name for group in self._groups]

    @property
    def dtypes(self) -> dict[str, DType]:
        """The type of each feature, by its name in the answer."""
        return {column.name: column.feature.dtype for column in self._asked.columns}

    @property
    def group_index(self) -> list[int]:
        """For each feature, the column of its group in the (entities × groups) arrays."""
        return [column.group for column in self._asked.columns]

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
        return self._assembled(np.int8, lambda group, names: group.statuses(names))

    @cached_property
    def event_timestamps(self) -> npt.NDArray[np.datetime64]:
        """When each row's values became true (UTC, microseconds); NaT where there is no row."""
        found = self._per_row(lambda heads: heads.event_timestamps, _NOT_A_TIME)
        return found.view("datetime64[us]")

    @cached_property
    def ages(self) -> npt.NDArray[np.timedelta64]:
        """How old each row was by the server's clock; NaT where there is no row."""
        return np.datetime64(self._answered_at, "us") - self.event_timestamps

    @cached_property
    def table_versions(self) -> npt.NDArray[np.int64]:
        """The Delta version that holds each row; -1 where there is no row."""
        return self._per_row(lambda heads: heads.table_versions, _NO_ROW)

    @cached_property
    def generations(self) -> npt.NDArray[np.int64]:
        """Which computation of its partition wrote each row; -1 where there is no row."""
        return self._per_row(lambda heads: heads.generations, _NO_ROW)

    @property
    def contracts(self) -> list[GroupContract]:
        """The contract of each group under which its rows were decoded."""
        return [group.contract for group in self._groups]

    def to_columns(self) -> dict[str, Sequence[Value]]:
        """One list per join key, then per feature; `None` where not PRESENT."""
        return {**self._entities, **dict(zip(self._asked.names, self._values(), strict=True))}

    def to_dicts(self) -> list[dict[str, Value]]:
        """One dict per entity: its join keys, then its features; `None` where not PRESENT."""
        columns = self.to_columns()
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def to_numpy(self) -> npt.NDArray[np.float64]:
        """Values as float64 (entities × features); NaN where not PRESENT.

        Booleans become 0 and 1; 64-bit integers beyond 2^53 lose digits.

        Raises:
            InvalidArgumentError: A feature is not numeric; the message names all of them.
        """
        self._asked.refuse_others_than_numbers()
        values = self._assembled(np.float64, lambda group, names: group.numbers(names))
        if self._hides.any():
            return np.where(self._hides, np.nan, values)
        return values

    def to_arrow(self) -> "pa.Table":
        """A table of the join keys and the features, of their own types; null where not PRESENT."""
        import pyarrow as pa  # noqa: PLC0415  # 100 ms that only callers of this method pay

        types = _arrow_types()
        fields = [pa.field(key.name, types[key.dtype]) for key in self._join_keys()]
        arrays = [pa.array(self._entities[field.name], field.type) for field in fields]
        for place, column in enumerate(self._asked.columns):
            fields.append(pa.field(column.name, types[column.feature.dtype]))
            native = self._groups[column.group].native(column.feature.name)
            if native is None:
                arrays.append(pa.array(self._shown(place), fields[-1].type))
            else:  # days and microseconds become dates and timestamps by a cast, which is no copy
                array = pa.array(native, mask=self._hides[:, place], from_pandas=False)
                arrays.append(array.cast(fields[-1].type))
        return pa.Table.from_arrays(arrays, schema=pa.schema(fields))

    @cached_property
    def _hides(self) -> Flags:
        """Which values the caller may not see, or which are null (entities × features)."""
        hidden: Flags = self.statuses != Status.PRESENT
        if self._keeps_stale:
            hidden &= self.statuses != Status.STALE
            hidden |= self._assembled(np.bool_, lambda group, names: group.nulls(names))
        return hidden

    def _values(self) -> list[list[Value]]:
        """One list per feature: what the caller may see."""
        return [self._shown(place) for place in range(len(self._asked))]

    def _shown(self, place: int) -> list[Value]:
        column, hides = self._asked.columns[place], self._hides[:, place]
        values = self._groups[column.group].values(column.feature.name)
        if not hides.any():
            return values
        return [
            None if hidden else value for hidden, value in zip(hides.tolist(), values, strict=True)
        ]

    def _join_keys(self) -> Iterable[JoinKey]:
        keys = {key.name: key for group in self._groups for key in group.contract.entity.join_keys}
        return (keys[name] for name in self._entities)

    def _assembled(
        self,
        dtype: type[_Scalar],
        part: Callable[[GroupRows, tuple[str, ...]], npt.NDArray[_Scalar] | None],
    ) -> npt.NDArray[_Scalar]:
        """What each group says of its features, in the order asked (entities × features)."""
        parts = [
            (part(self._groups[group], names), places)
            for group, names, places in self._asked.by_group
        ]
        if len(parts) == 1 and parts[0][0] is not None:
            return parts[0][0]
        found = np.zeros((len(self), len(self._asked)), dtype)
        for values, places in parts:
            if values is not None:
                found[:, places] = values
        return found

    def _per_row(
        self, field: Callable[[Heads], npt.NDArray[np.int64]], missing: int
    ) -> npt.NDArray[np.int64]:
        found = np.empty((len(self), len(self._groups)), np.int64)
        for place, group in enumerate(self._groups):
            heads = group.batch.heads
            found[:, place] = np.where(heads.found, field(heads), missing)
        return found


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
