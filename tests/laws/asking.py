"""A feature server and its client without a network between them, over a real online store."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar, cast

import redis

from headrace.contract.clock import Clock
from headrace.contract.keys import KeyValue
from headrace.contract.proto.headrace.v1 import feature_service_pb2 as pb
from headrace.contract.proto.headrace.v1.raw_rows_pb2 import RawOnlineFeatures
from headrace.serving.conversation import Conversation, Exchange
from headrace.serving.handler import Handler
from headrace.serving.online_features import OnlineFeatures
from headrace.serving.question import Question, Stale
from headrace.serving.reading import Reading, Values
from headrace.serving.settings import Limits

if TYPE_CHECKING:
    from google.protobuf.message import Message

_Result = TypeVar("_Result")


class Asking:
    """One server and one client that live as long as a schedule, with all that they remember."""

    def __init__(self, store: redis.Redis, namespace: str) -> None:
        """Begin without knowing anything."""
        self._store = store
        self._handler = Handler(namespace, Limits(), Clock())
        self._conversation = Conversation("here")

    def refresh(self) -> None:
        """Read the catalogue again, as a server does every second."""
        self._read(self._handler.refresh())

    def look_up(
        self,
        group: str,
        keys: Sequence[str],
        entities: Sequence[tuple[KeyValue, ...]],
        *,
        now: datetime,
        stale: Stale = "null",
    ) -> OnlineFeatures:
        """All features of a group, as a client gets them from a server with this clock.

        Raises:
            UnknownNameError: The server knows no such group.
        """
        self._handler.clock = Clock(now)
        columns = {name: [entity[place] for entity in entities] for place, name in enumerate(keys)}
        question = Question.of([group], None, entities=columns, max_age=None, stale=stale)
        return self._converse(self._conversation.look_up(question))

    def _converse(self, exchange: Exchange[_Result]) -> _Result:
        methods: dict[type[Message], tuple[Callable[[bytes], Reading[bytes]], type[Message]]] = {
            pb.GetOnlineFeaturesRequest: (
                self._handler.get_online_features,
                RawOnlineFeatures,
            ),
            pb.GetContractRequest: (self._handler.get_contract, pb.GetContractResponse),
        }
        try:
            request = next(exchange)
            while True:
                method, response = methods[type(request)]
                raw = self._read(method(request.SerializeToString()))
                request = exchange.send(response.FromString(raw))
        except StopIteration as end:
            result: _Result = end.value
            return result

    def _read(self, reading: Reading[_Result]) -> _Result:
        try:
            keys = next(reading)
            while True:
                keys = reading.send(cast("Values", self._store.mget(keys)))
        except StopIteration as end:
            result: _Result = end.value
            return result
