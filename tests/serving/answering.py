"""A client and a handler with nothing between them, and a dictionary for what the store holds."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from google.protobuf.duration_pb2 import Duration

from headrace.contract.clock import Clock
from headrace.contract.errors import HeadraceError
from headrace.contract.proto.headrace.v1 import feature_service_pb2 as pb
from headrace.contract.proto.headrace.v1.raw_rows_pb2 import RawOnlineFeatures
from headrace.serving.conversation import Conversation, Exchange
from headrace.serving.entity_columns import Entities
from headrace.serving.handler import Handler
from headrace.serving.online_features import OnlineFeatures
from headrace.serving.question import Question, Stale
from headrace.serving.reading import Keys, Reading
from headrace.serving.settings import Limits
from headrace.tests.serving.publishing import NOW, Memory

if TYPE_CHECKING:
    from google.protobuf.message import Message

_Result = TypeVar("_Result")

MAY_PROJECT = pb.GetOnlineFeaturesRequest(projection=pb.PROJECTION_IF_LONG).SerializeToString()
ALWAYS = pb.GetOnlineFeaturesRequest(projection=pb.PROJECTION_ALWAYS).SerializeToString()
# What may stand behind the entities of a request, or may not.
ENDS = (
    b"",
    MAY_PROJECT,
    ALWAYS,
    pb.GetOnlineFeaturesRequest(projection=9).SerializeToString(),  # type: ignore[arg-type]  # none
    b"\x12\x00",
    *(
        pb.GetOnlineFeaturesRequest(
            max_age=Duration(seconds=seconds), projection=pb.PROJECTION_IF_LONG
        ).SerializeToString()
        for seconds in (0, 86_400, 8 * 86_400, -1)
    ),
)


def handler(limits: Limits | None = None, *, now: datetime = NOW) -> Handler:
    """A handler that knows nothing yet."""
    return Handler("default", limits or Limits(), Clock(now))


def read(
    reading: Reading[_Result], memory: Memory, before: Callable[[Keys], object] | None = None
) -> _Result:
    """Run a reading; `before` is told the keys of every round trip."""
    try:
        keys = next(reading)
        while True:
            if before is not None:
                before(keys)
            keys = reading.send([memory.get(key) for key in keys])
    except StopIteration as end:
        result: _Result = end.value
        return result


def converse(exchange: Exchange[_Result], answering: Handler, memory: Memory) -> _Result:
    """Run a client's exchange against a handler."""
    methods: dict[type[Message], tuple[Callable[[bytes], Reading[bytes]], type[Message]]] = {
        pb.GetOnlineFeaturesRequest: (
            answering.get_online_features,
            RawOnlineFeatures,
        ),
        pb.GetContractRequest: (answering.get_contract, pb.GetContractResponse),
    }
    try:
        request = next(exchange)
        while True:
            method, response = methods[type(request)]
            raw = read(method(request.SerializeToString()), memory)
            request = exchange.send(response.FromString(raw))
    except StopIteration as end:
        result: _Result = end.value
        return result


def look_up(
    memory: Memory,
    features: list[str],
    entities: Entities,
    *,
    max_age: timedelta | None = None,
    stale: Stale = "null",
    now: datetime = NOW,
) -> OnlineFeatures:
    """What a new client gets from a new server."""
    question = Question.of(features, None, entities=entities, max_age=max_age, stale=stale)
    return converse(Conversation("here").look_up(question), handler(now=now), memory)


def request(features: list[str], **columns: list[int] | list[str]) -> bytes:
    """A serialized request; by default for household 1."""
    return pb.GetOnlineFeaturesRequest(
        features=features,
        entities=[
            _column(name, values) for name, values in (columns or {"household_id": [1]}).items()
        ],
    ).SerializeToString()


def _column(name: str, values: list[int] | list[str]) -> pb.EntityColumn:
    integers = [value for value in values if isinstance(value, int)]
    if len(integers) == len(values):
        return pb.EntityColumn(join_key=name, int64_values=pb.Int64Values(values=integers))
    texts = pb.StringValues(values=[str(value) for value in values])
    return pb.EntityColumn(join_key=name, string_values=texts)


def outcome(answering: Handler, memory: Memory, raw: bytes) -> bytes | tuple[str, str]:
    try:
        return read(answering.get_online_features(raw), memory)
    except HeadraceError as error:
        return type(error).__name__, str(error)


def has_plan(answering: Handler, raw: bytes) -> bool:
    return answering.plans.of(raw) is not None
