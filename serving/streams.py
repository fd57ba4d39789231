"""Streams of lookups, for both clients: they differ in how they wait, and in nothing else."""

import asyncio
import queue
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from typing import Any

import grpc
import grpc.aio

from ..contract.errors import HeadraceError, RequestError
from ..contract.proto.headrace.v1 import feature_service_pb2 as pb
from ..contract.proto.headrace.v1.raw_rows_pb2 import RawStreamReply
from .connections import Connections
from .conversation import Conversation, Exchange, Prepared
from .entity_columns import Entities
from .question import Question
from .streamed import CODES, StreamedAnswer, Window

_UNAVAILABLE, _LATE = grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED
_ENDED = "the server ended the stream"
# How grpc.aio calls a message that it could not hand to a connection that was lost just then.
_LOST = "Internal error from Core"

Message = pb.StreamOnlineFeaturesRequest


class _Troubles:
    """What both streams do when something fails: wait and go on, or raise."""

    def __init__(self, connections: Connections, window: Window) -> None:
        self._connections, self._window = connections, window
        self._attempts = connections.attempts()

    def over(self) -> None:
        """A reply came."""
        self._attempts = self._connections.attempts()

    def pause_after_call(self, error: grpc.RpcError | None) -> float:
        """How long to wait before a call that broke off, or ended, is made again (seconds).

        Raises:
            HeadraceError: It is not.
        """
        if error is None or error.details() == _LOST:
            pause = self._attempts.pause_after(_UNAVAILABLE)
            if pause is None:
                raise self._connections.failure(_UNAVAILABLE, _ENDED)
            return pause
        # A call lasts as long as one reply may take; the others go on with the next call.
        if error.code() is _LATE and self._window.seconds_left() > 0:
            return 0.0
        return self._connections.pause_after(error, self._attempts)

    def after_reply(self, reply: RawStreamReply) -> float | HeadraceError:
        """What the error of one reply leads to: a pause before it is asked again, or an outcome."""
        code = CODES.get(reply.error.code, grpc.StatusCode.UNKNOWN)
        pause = self._attempts.pause_after(code)
        if pause is None:
            self.over()
            return self._connections.failure(code, reply.error.message)
        return pause


class _Stream:
    """What both streams are made of; `run` makes the calls beside one, such as for contracts."""

    _run: Callable[[Exchange[Any]], Any]
    _sending: Any  # a queue of messages, and of `None` behind the last one

    def __init__(
        self,
        connections: Connections,
        conversation: Conversation,
        run: Callable[[Exchange[Any]], Any],
    ) -> None:
        """Open a call."""
        self._connections, self._conversation, self._run = connections, conversation, run
        self._window = Window(connections.timeout)
        self._troubles = _Troubles(connections, self._window)
        self._open()

    def _open(self) -> None:
        raise NotImplementedError

    def _called(self, messages: object) -> Any:  # noqa: ANN401  # grpc's and grpc.aio's calls differ
        return self._connections.stream()(
            messages,
            timeout=max(0.0, self._window.seconds_left()),
            metadata=self._connections.metadata,
        )

    def _settling(self, prepared: Prepared, reply: RawStreamReply) -> Exchange[float | None]:
        """Settle what a reply answers; or the pause after which it is to be asked again."""
        if reply.HasField("error"):
            outcome = self._troubles.after_reply(reply)
            if not isinstance(outcome, HeadraceError):
                return outcome
            self._window.settle(reply, outcome)
            return None
        self._troubles.over()
        answer = yield from self._conversation.answer(prepared, reply.response)
        if answer is None:
            answer = yield from self._conversation.look_up(prepared.question)
        self._window.settle(reply, answer)
        return None


class FeatureStream(_Stream):
    """One stream of a `FeatureClient`."""

    def answers(self, question: Question, batches: Iterable[Entities]) -> Iterator[StreamedAnswer]:
        """Outcomes of a question about each batch, in their order; some are asked ahead."""
        try:
            for entities in batches:
                self._ask(question.about(entities))
                while self._window.is_full:
                    if self._window.is_waiting:
                        self._receive()
                    yield from self._window.ready()
            while self._window.is_waiting:
                self._receive()
                yield from self._window.ready()
            yield from self._window.ready()
            self._sending.put(None)
            next(self._call, None)  # half-closed, and so ended by the server: nobody cancels it
        finally:
            self._sending.put(None)
            self._call.cancel()

    def _open(self) -> None:
        self._sending = queue.SimpleQueue[Message | None]()
        for message in self._window.unanswered():
            self._sending.put(message)
        self._call = self._called(iter(self._sending.get, None))

    def _ask(self, question: Question) -> None:
        try:
            prepared = self._run(self._conversation.prepare(question))
        except RequestError as error:
            self._window.refuse(error)
        else:
            self._sending.put(self._window.ask(prepared))

    def _receive(self) -> None:
        error = None
        self._window.wait()
        try:
            reply = next(self._call, None)
        except grpc.RpcError as failed:
            reply, error = None, failed
        if reply is not None:
            self._settle(reply)
            return
        time.sleep(self._troubles.pause_after_call(error))
        self._sending.put(None)
        self._open()

    def _settle(self, reply: RawStreamReply) -> None:
        prepared = self._window.asked(reply)
        try:
            pause = self._run(self._settling(prepared, reply))
        except RequestError as refused:
            self._window.settle(reply, refused)
            return
        if pause is not None:
            time.sleep(pause)
            self._sending.put(self._window.again(reply))


class AsyncFeatureStream(_Stream):
    """One stream of an `AsyncFeatureClient`; `run` is asynchronous, and so are its messages."""

    async def answers(
        self, question: Question, batches: AsyncIterable[Entities] | Iterable[Entities]
    ) -> AsyncIterator[StreamedAnswer]:
        """As of `FeatureStream`."""
        try:
            async for entities in _asynchronously(batches):
                await self._ask(question.about(entities))
                while self._window.is_full:
                    if self._window.is_waiting:
                        await self._receive()
                    for outcome in self._window.ready():
                        yield outcome
            while self._window.is_waiting:
                await self._receive()
                for outcome in self._window.ready():
                    yield outcome
            for outcome in self._window.ready():
                yield outcome
            self._sending.put_nowait(None)
            await anext(self._replies, None)  # as above
        finally:
            self._call.cancel()

    def _open(self) -> None:
        self._sending = asyncio.Queue[Message | None]()
        for message in self._window.unanswered():
            self._sending.put_nowait(message)
        self._call = self._called(_messages(self._sending))
        self._replies: AsyncIterator[RawStreamReply] = aiter(self._call)

    async def _ask(self, question: Question) -> None:
        try:
            prepared = await self._run(self._conversation.prepare(question))
        except RequestError as error:
            self._window.refuse(error)
        else:
            self._sending.put_nowait(self._window.ask(prepared))

    async def _receive(self) -> None:
        error = None
        self._window.wait()
        try:
            reply = await anext(self._replies, None)
        except grpc.RpcError as failed:
            reply, error = None, failed
        if reply is not None:
            await self._settle(reply)
            return
        await asyncio.sleep(self._troubles.pause_after_call(error))
        self._sending.put_nowait(None)
        self._open()

    async def _settle(self, reply: RawStreamReply) -> None:
        prepared = self._window.asked(reply)
        try:
            pause = await self._run(self._settling(prepared, reply))
        except RequestError as refused:
            self._window.settle(reply, refused)
            return
        if pause is not None:
            await asyncio.sleep(pause)
            self._sending.put_nowait(self._window.again(reply))


async def _messages(sending: "asyncio.Queue[Message | None]") -> AsyncIterator[Message]:
    while (message := await sending.get()) is not None:
        yield message


async def _asynchronously(
    batches: AsyncIterable[Entities] | Iterable[Entities],
) -> AsyncIterator[Entities]:
    if isinstance(batches, AsyncIterable):
        async for entities in batches:
            yield entities
    else:
        for entities in batches:
            yield entities
