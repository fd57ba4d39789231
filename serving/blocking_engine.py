"""A stand-in."""

import time
from collections.abc import Callable
from math import inf
from typing import Any, TypeVar

import redis

from ..contract.errors import StoreUnavailableError
from .reading import Reading
from .settings import Settings

R = TypeVar("R")


class Ticket:
    def __init__(self, reading: Any, done: Any, keys: Any) -> None:
        self.reading, self.done, self.keys = reading, done, keys
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True


class Engine:
    def __init__(self, settings: Settings) -> None:
        self._client: Any = redis.Redis.from_url(
            settings.redis_url, socket_timeout=settings.store_timeout.total_seconds()
        )
        self._waiting: list[Ticket] = []

    def submit(
        self, reading: Reading[R], done: Callable[[Any], None], *, deadline: float = inf
    ) -> Ticket:
        ticket = Ticket(reading, done, None)
        self._step(ticket, None)
        return ticket

    def _step(self, ticket: Ticket, values: Any) -> None:
        try:
            ticket.keys = ticket.reading.send(values)
        except StopIteration as end:
            ticket.done(end.value)
        except Exception as error:
            ticket.done(error)
        else:
            self._waiting.append(ticket)

    def poll(self, timeout: float) -> None:
        if not self._waiting:
            time.sleep(timeout)
            return
        waiting, self._waiting = self._waiting, []
        try:
            values = self._client.mget([key for ticket in waiting for key in ticket.keys])
        except (redis.RedisError, OSError) as error:
            for ticket in waiting:
                ticket.done(StoreUnavailableError(store="x", reason=str(error)))
            return
        at = 0
        for ticket in waiting:
            if not ticket.is_cancelled:
                self._step(ticket, values[at : at + len(ticket.keys)])
            at += len(ticket.keys)

    def next_event(self) -> float:
        return inf

    def close(self) -> None:
        self._client.close()
