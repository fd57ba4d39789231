"""Servers in threads of the test's process, with all that runs beside their transports."""

import asyncio
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from headrace.serving.operation import Operation
from headrace.serving.settings import Settings
from headrace.serving.transports.aio import AioServer
from headrace.serving.transports.lean import LeanServer


@dataclass(frozen=True, slots=True)
class Operated:
    """Where a server answers: by RPC, and what by HTTP."""

    address: str
    others: Mapping[str, str]


@contextmanager
def operated(chosen: Settings, transport: str) -> Iterator[Operated]:
    """A server, until the end of the block; what it still has to say is then said."""
    operation = Operation(chosen, transport)
    run = _lean if transport == "lean" else _aio
    with run(chosen, operation) as running:
        hosts = {what: where.partition("://")[2] for what, where in running.others.items()}
        yield Operated(running.address, hosts)


@contextmanager
def _lean(chosen: Settings, operation: Operation) -> Iterator[Operated]:
    server = LeanServer(chosen, operation.observer, operation.tracing)
    with operation.running(server) as others:
        address = server.start()
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            yield Operated(address, others)
        finally:
            server.stop()
            thread.join()


@contextmanager
def _aio(chosen: Settings, operation: Operation) -> Iterator[Operated]:
    async def made() -> AioServer:
        return AioServer(chosen, operation.observer, operation.tracing)

    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        server = asyncio.run_coroutine_threadsafe(made(), loop).result()
        try:
            with operation.running(server) as others:
                address = asyncio.run_coroutine_threadsafe(server.start(), loop).result()
                yield Operated(address, others)
        finally:
            asyncio.run_coroutine_threadsafe(server.stop(), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
