"""A request for online features, taken apart and checked for everything that needs no catalogue."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from google.protobuf.message import DecodeError

from ..contract.errors import InvalidArgumentError, InvalidEntityError, TooLargeError
from ..contract.feature_group import DType, JoinKey
from ..contract.keys import KeyValue
from ..contract.proto.headrace.v1 import feature_service_pb2 as pb
from .contracts import ServedGroup
from .settings import Limits

_EPOCH_DAY = date(1970, 1, 1).toordinal()
_NANOSECONDS = 1_000_000_000
_PROJECTIONS = frozenset(pb.Projection.values())


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked, for whom, and how old it may be.

    Attributes:
        features: References; empty when a service is asked for.
        service: The name of a feature service, or empty.
        columns: Join key values by join key, all of one length, as the wire spells them.
        max_age_us: In microseconds; `None` when the request says nothing.
        projection: Whether rows may hold what is asked for alone.
    """

    features: tuple[str, ...]
    service: str
    columns: Mapping[str, Sequence[int | str | bytes]]
    entity_count: int
    max_age_us: int | None
    projection: pb.Projection = pb.PROJECTION_UNSPECIFIED

    def key_values(self, group: ServedGroup) -> list[Sequence[KeyValue]]:
        """The join key values of a group's entity, one column per join key in declared order.

        Raises:
            InvalidEntityError: A join key is missing, or a date lies outside of the calendar.
        """
        entity = group.spec.entity
        return [self._column(entity.name, key) for key in entity.join_keys]

    def _column(self, entity: str, key: JoinKey) -> Sequence[KeyValue]:
        column = self.columns.get(key.name)
        if column is None:
            raise InvalidEntityError(
                entity=entity, join_key=key.name, expected=key.dtype.name, got=None
            )
        if key.dtype is not DType.DATE:
            return column
        return [_day(value, entity=entity, join_key=key.name) for value in column]


def parse_query(raw: bytes, limits: Limits) -> Query:
    """Take a serialized `GetOnlineFeaturesRequest` apart.

    Raises:
        InvalidArgumentError: The bytes are no such request, or its parts contradict each other.
        TooLargeError: It asks for more than the limits allow.
    """
    try:
        request = pb.GetOnlineFeaturesRequest.FromString(raw)
    except DecodeError as error:
        raise malformed("GetOnlineFeaturesRequest") from error
    return checked_query(request, limits)


def checked_query(request: pb.GetOnlineFeaturesRequest, limits: Limits) -> Query:
    """Take a request apart.

    Raises:
        InvalidArgumentError: Its parts contradict each other.
        TooLargeError: It asks for more than the limits allow.
    """
    if bool(request.features) == bool(request.feature_service):
        problem = "both are given" if request.features else "nothing is asked for"
        raise InvalidArgumentError(
            argument="features and feature_service", problem=problem, remedy="set exactly one"
        )
    if len(request.features) > limits.features:
        raise TooLargeError(what="features", count=len(request.features), limit=limits.features)
    columns = _columns(request.entities)
    count = len(next(iter(columns.values())))
    if count > limits.entities:
        raise TooLargeError(what="entities", count=count, limit=limits.entities)
    return Query(
        tuple(request.features),
        request.feature_service,
        columns,
        count,
        _max_age(request),
        _projection(request),
    )


def malformed(message: str) -> InvalidArgumentError:
    """The error for bytes that are no such message."""
    return InvalidArgumentError(
        argument="request",
        problem=f"these bytes are no headrace.v1.{message}",
        remedy="generate the client from the published feature_service.proto",
    )


def _columns(entities: Sequence[pb.EntityColumn]) -> Mapping[str, Sequence[int | str | bytes]]:
    columns: dict[str, Sequence[int | str | bytes]] = {}
    for column in entities:
        kind = column.WhichOneof("values")
        if kind is None:
            continue
        if column.join_key in columns:
            raise InvalidArgumentError(
                argument="entities",
                problem=f"join key {column.join_key!r} is given twice",
                remedy="give one column per join key",
            )
        columns[column.join_key] = getattr(column, kind).values
    lengths = {len(values) for values in columns.values()}
    if not lengths:
        raise InvalidArgumentError(
            argument="entities",
            problem="no join key is given",
            remedy="give one column per join key",
        )
    if len(lengths) > 1:
        shown = ", ".join(f"{name}: {len(values)}" for name, values in columns.items())
        raise InvalidArgumentError(
            argument="entities",
            problem=f"the columns differ in length ({shown})",
            remedy="the i-th values together are the i-th entity",
        )
    return columns


def _max_age(request: pb.GetOnlineFeaturesRequest) -> int | None:
    if not request.HasField("max_age"):
        return None
    seconds, nanoseconds = request.max_age.seconds, request.max_age.nanos
    if seconds < 0 or not 0 <= nanoseconds < _NANOSECONDS:
        raise InvalidArgumentError(
            argument="max_age",
            problem=f"{seconds} s and {nanoseconds} ns are no age",
            remedy="give a duration of zero or more",
        )
    return seconds * 1_000_000 + nanoseconds // 1000


def _projection(request: pb.GetOnlineFeaturesRequest) -> pb.Projection:
    if request.projection not in _PROJECTIONS:
        raise InvalidArgumentError(
            argument="projection",
            problem=f"this server knows no {request.projection}",
            remedy=f"set one of {', '.join(pb.Projection.keys())}",
        )
    return request.projection


def _day(value: int | str | bytes, *, entity: str, join_key: str) -> date:
    expected = "DATE (days since 1970-01-01, within the years 1 to 9999)"
    if not isinstance(value, int):
        raise InvalidEntityError(entity=entity, join_key=join_key, expected=expected, got=value)
    try:
        return date.fromordinal(value + _EPOCH_DAY)
    except (ValueError, OverflowError) as error:
        raise InvalidEntityError(
            entity=entity, join_key=join_key, expected=expected, got=value
        ) from error
