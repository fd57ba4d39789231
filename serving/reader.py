"""Reads of the online store: one MGET in flight; what arrives meanwhile leaves with the next.

No timer: an idle server reads at once, a busy one in ever larger batches, which makes reads cheap.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as LostConnectionError
from redis.exceptions import RedisError

from ..contract.errors import StoreUnavailableError
from ..contract.store_address import SentinelAddress, sentinel_address, shown_address
from .reading import Keys, Reading, Result, Values

_KEYS_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class _Fetch:
    keys: Keys
    values: asyncio.Future[Values]


class Reader:
    """Runs readings against the store at a URL; belongs to one event loop."""

    def __init__(self, url: str, timeout: timedelta) -> None:
        """Connect lazily; a read that outlasts the timeout fails with all that left with it."""
        self.store = shown_address(url)
        self._client = _client(url, timeout.total_seconds())
        self._waiting: list[_Fetch] = []
        self._sending: asyncio.Task[None] | None = None

    async def run(self, reading: Reading[Result]) -> Result:
        """Run a reading to its end.

        Raises:
            StoreUnavailableError: The store cannot be reached, broke off or took too long.
        """
        try:
            keys = next(reading)
            while True:
                keys = reading.send(await self._fetch(keys))
        except StopIteration as end:
            result: Result = end.value
            return result

    async def close(self) -> None:
        """Close the connection; a reading that still runs never ends."""
        sending = self._sending
        if sending is not None:
            sending.cancel()
            with suppress(asyncio.CancelledError):
                await sending
        await self._client.aclose()
        pool = self._client.connection_pool
        if isinstance(pool, SentinelConnectionPool):
            for sentinel in pool.sentinel_manager.sentinels:
                await sentinel.aclose()

    async def _fetch(self, keys: Keys) -> Values:
        fetch = _Fetch(keys, asyncio.get_running_loop().create_future())
        self._waiting.append(fetch)
        if self._sending is None:
            self._sending = asyncio.create_task(self._send())
        return await fetch.values

    async def _send(self) -> None:
        try:
            while self._waiting:
                await self._send_batch(self._batch())
        finally:
            self._sending = None

    def _batch(self) -> list[_Fetch]:
        count = keys = 0
        for fetch in self._waiting:
            keys += len(fetch.keys)
            if count and keys > _KEYS_AT_ONCE:
                break
            count += 1
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        return [fetch for fetch in batch if not fetch.values.done()]

    async def _send_batch(self, batch: list[_Fetch]) -> None:
        if not batch:
            return
        try:
            values = await self._client.mget([key for fetch in batch for key in fetch.keys])
        except (RedisError, OSError) as error:
            reason = str(error) or type(error).__name__
            for fetch in batch:
                if not fetch.values.done():
                    unavailable = StoreUnavailableError(store=self.store, reason=reason)
                    fetch.values.set_exception(unavailable)
            return
        at = 0
        for fetch in batch:
            if not fetch.values.done():
                fetch.values.set_result(cast("Values", values[at : at + len(fetch.keys)]))
            at += len(fetch.keys)


def _client(url: str, seconds: float) -> redis.asyncio.Redis:
    options: dict[str, Any] = {
        "protocol": 2,
        "socket_timeout": seconds,
        "socket_connect_timeout": seconds,
        # Once, and not after a timeout: a connection that a restarted store had closed.
        "retry": Retry(NoBackoff(), 1, supported_errors=(LostConnectionError,)),
    }
    service = sentinel_address(url)
    if service is None:
        return redis.asyncio.Redis.from_url(url, **options)
    return _primary(service, options)


def _primary(service: SentinelAddress, options: dict[str, Any]) -> redis.asyncio.Redis:
    """Reads the primary, which a sentinel names at each new connection."""
    sentinels = Sentinel(  # type: ignore[no-untyped-call]  # redis-py's
        service.sentinels,
        sentinel_kwargs={
            "socket_timeout": options["socket_timeout"],
            "socket_connect_timeout": options["socket_connect_timeout"],
            "username": service.sentinel_username,
            "password": service.sentinel_password,
            "ssl": service.is_tls,
        },
    )
    client: redis.asyncio.Redis = sentinels.master_for(
        service.service,
        db=service.database,
        username=service.username,
        password=service.password,
        ssl=service.is_tls,
        **options,
    )
    return client
