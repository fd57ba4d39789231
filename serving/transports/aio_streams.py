"""The streaming methods of the `aio` transport: features, health's watch, reflection."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from math import inf
from typing import TYPE_CHECKING

import grpc
import grpc.aio

from ...contract.errors import HeadraceError
from ..handler import Handler
from ..health import Health, asked_service
from ..observing import Observer
from ..reader import Reader
from ..status_codes import status_of
from ..streaming import answer_reply, error_reply, legible_id, read_message
from .methods import DRAINING
from .reflection import Reflection

if TYPE_CHECKING:
    from ..tracing import Tracing

_DUE_AT_MOST = 16
_METHOD = "StreamOnlineFeatures"

Context = grpc.aio.ServicerContext


class Draining:
    """Whether the server drains; open streams are told so."""

    def __init__(self) -> None:
        """Begin as not draining."""
        self._begun = asyncio.Event()

    def begin(self) -> None:
        """Read no more from any stream."""
        self._begun.set()

    async def messages(self, context: Context) -> AsyncIterator[bytes]:
        """What a client sends, until it closes its side or the server drains."""
        begun = asyncio.create_task(self._begun.wait())
        try:
            while True:
                reading = asyncio.ensure_future(_read(context))
                await asyncio.wait({reading, begun}, return_when=asyncio.FIRST_COMPLETED)
                if not reading.done():
                    reading.cancel()
                    return
                raw = reading.result()
                if raw is None:
                    return
                yield raw
        finally:
            begun.cancel()

    async def end(self, context: Context) -> None:
        """End a stream whose messages have ended: with an error if that was the server's doing."""
        if self._begun.is_set():
            await context.abort(grpc.StatusCode.UNAVAILABLE, DRAINING)


class FeatureStreams:
    """All `StreamOnlineFeatures` calls of a server."""

    def __init__(
        self,
        reader: Reader,
        handler: Handler,
        draining: Draining,
        *,
        observer: Observer,
        tracing: "Tracing | None",
    ) -> None:
        """Answer with a handler."""
        self._reader, self._handler, self._observer = reader, handler, observer
        self._draining, self._tracing = draining, tracing

    async def serve(self, context: Context, admit: Callable[[], None]) -> None:
        """Answer one call until the client closes its side.

        Args:
            context: The call's.
            admit: Raises the error that a request over its caller's rate is answered with.
        """
        due = asyncio.Semaphore(_DUE_AT_MOST)
        writing = asyncio.Lock()

        async def answer(raw: bytes) -> None:
            try:
                message = await self._answered(raw, admit, context)
                async with writing:
                    await context.write(message)
            finally:
                due.release()

        async with asyncio.TaskGroup() as answers:
            async for raw in self._draining.messages(context):
                answers.create_task(answer(raw))
                # Nothing more is read while this many answers are due or not sent yet.
                await due.acquire()
        await self._draining.end(context)

    async def _answered(self, raw: bytes, admit: Callable[[], None], context: Context) -> bytes:
        started = time.monotonic()
        request_id, status = legible_id(raw), "CANCELLED"
        tracing, span = self._tracing, None
        if tracing is not None:
            span = tracing.began(_METHOD, context.invocation_metadata() or ())
        try:
            message = read_message(raw)
            request_id = message.id
            admit()
            reading = self._handler.answer(message.request)
            body = await self._reader.run(reading, deadline_of(context))
            status = "OK"
            return answer_reply(request_id, body)
        except Exception as error:  # noqa: BLE001  # the edge of a request; a stranger learns the type
            code, text = status_of(error)
            status = code.name
            return error_reply(request_id, code.value[0], text)
        finally:
            seconds = time.monotonic() - started
            self._observer.answered(_METHOD, status, seconds)
            if span is not None:
                span.ended(status)


async def watch(health: Health, raw: bytes, context: Context) -> AsyncIterator[bytes]:
    """`Health.Watch`: the status now, and after every change, until the server drains."""
    try:
        service = asked_service(raw)
    except HeadraceError as error:
        await context.abort(*status_of(error))
    changed = asyncio.Event()
    health.watchers.add(changed.set)
    told, is_closing = b"", False
    try:
        while not is_closing:
            changed.clear()
            status, is_closing = health.status(service), health.is_closing
            if status != told:
                told = status
                yield status
            if not is_closing:
                await changed.wait()
    finally:
        health.watchers.discard(changed.set)


async def reflect(reflection: Reflection, draining: Draining, context: Context) -> None:
    """`ServerReflectionInfo`: an answer to every message."""
    async for raw in draining.messages(context):
        try:
            answer = reflection.answer(raw)
        except HeadraceError as error:
            await context.abort(*status_of(error))
        await context.write(answer)
    await draining.end(context)


def deadline_of(context: Context) -> float:
    """A call's deadline as `time.monotonic()` counts; infinite when the client set none."""
    remaining = context.time_remaining()
    return inf if remaining is None else time.monotonic() + remaining


async def _read(context: Context) -> bytes | None:
    received = await context.read()
    return None if received is grpc.aio.EOF else received
