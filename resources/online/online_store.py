"""The online store: a Redis or Valkey, and the only way in which the pipeline speaks to it.

What its Functions (`functions.lua`) guarantee holds against every other publisher, in any process.
"""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import redis

from ...contract import store_keys
from ...contract.catalogue import Manifest, decode_manifest
from ...contract.durability import Durability
from ...contract.environment import Environment
from ...contract.errors import (
    CatalogueError,
    EvictionPolicyError,
    OutOfMemoryError,
    StoreUnavailableError,
    UnsupportedStoreError,
)
from ...contract.store_address import shown_address
from .connecting import connected, disconnect
from .wire import command

FUNCTIONS = "headrace_v1"
"""With what the names of the Functions begin."""
_CODE = Path(__file__).with_name("functions.lua")


class OnlineStore:
    """One namespace of an online store. Connects when it is first used; threads may share it."""

    def __init__(self, url: str, namespace: str, durability: Durability | None = None) -> None:
        """Name the store and the part of it.

        Args:
            url: Its address (`contract.store_address`); its password never appears in a message.
            namespace: Part of every key, so that installations can share a store.
            durability: How many replicas a publish waits for; none when left out.

        Raises:
            InvalidArgumentError: `url` is no such URL.
        """
        self.namespace = namespace
        self.durability = durability or Durability()
        self.address = shown_address(url)
        self._client = connected(url)
        self._loaded = False
        self._manifest: tuple[str, Manifest] | None = None

    @classmethod
    def from_env(cls, environment: Environment | None = None) -> Self:
        """The store that `HEADRACE_REDIS` names, or the embedded Valkey of the home."""
        environment = environment or Environment.read()
        return cls(environment.redis_url, environment.namespace, environment.durability)

    def of_namespace(self, namespace: str) -> Self:
        """Another namespace of the same store, over the same connections."""
        other = copy(self)
        other.namespace, other._manifest = namespace, None  # noqa: SLF001 - of this very class
        return other

    def __enter__(self) -> Self:
        """Close the connections when the block ends."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Give the connections back; the next use makes new ones."""
        disconnect(self._client)

    @property
    def catalogue_namespace(self) -> str:
        """What stands for the namespace in the keys of the catalogue."""
        return self.namespace

    def parts(self) -> Sequence["OnlineStore"]:
        """The servers among which rows are spread: this one."""
        return (self,)

    def check(self) -> None:
        """Make sure that the store can be published to, and load the Functions.

        Raises:
            EvictionPolicyError: It would evict rows when its memory is full.
            UnsupportedStoreError: It is a node of a Cluster, or a replica.
            StoreUnavailableError: It does not answer.
        """
        with self.errors() as client:
            server: Any = client.info()
        self._refuse_unsupported(server)
        policy = str(server.get("maxmemory_policy", "noeviction"))
        if policy != "noeviction":
            raise EvictionPolicyError(store=self.address, policy=policy)
        self._load()

    @contextmanager
    def errors(self, group: str = "the catalogue", partition: str = "all") -> Iterator[redis.Redis]:
        """Speak to the store; says in our words what goes wrong.

        Args:
            group: What is written, for the message of an `OutOfMemoryError`.
            partition: Its partition.

        Raises:
            OutOfMemoryError: The store refused a write, because its memory is full.
            StoreUnavailableError: It cannot be reached, broke off, or refused a command.
        """
        try:
            yield self._connected()
        except redis.OutOfMemoryError as error:
            raise OutOfMemoryError(store=self.address, group=group, partition=partition) from error
        except redis.RedisError as error:
            raise StoreUnavailableError(store=self.address, reason=str(error)) from error

    def call(
        self, function: str, keys: Sequence[bytes], arguments: Sequence[bytes | str | int]
    ) -> Any:  # noqa: ANN401 - what a Function returns is its own affair
        """Call a Function; to be used inside `errors`."""
        return self.call_many(function, [(keys, arguments)])[0]

    def call_many(
        self,
        function: str,
        calls: Sequence[tuple[Sequence[bytes], Sequence[bytes | str | int]]],
    ) -> list[Any]:
        """Call a Function with several lists of keys and arguments, in one round trip."""
        if not self._loaded:
            self.check()
        try:
            return self._pipelined(function, calls)
        except redis.ResponseError as error:
            if not _is_unknown(error):
                raise
        # Somebody removed it, or the store was replaced by an empty one.
        self._load()
        return self._pipelined(function, calls)

    def call_packed(self, calls: Sequence[bytes]) -> list[Any]:
        """Call Functions by calls that are packed already (`wire`), in one round trip."""
        try:
            return self._exchanged(calls)
        except redis.ResponseError as error:
            if not _is_unknown(error):
                raise
        self._load()
        return self._exchanged(calls)

    @contextmanager
    def connection(self) -> Iterator[redis.Connection]:
        """A connection of one's own; to be used inside `errors`.

        It is closed when the block fails, because then nobody knows which reply would come next.
        """
        if not self._loaded:
            self.check()
        pool = self._client.connection_pool
        connection = pool.get_connection()
        try:
            yield connection
        except BaseException:
            connection.disconnect()  # type: ignore[no-untyped-call]  # redis-py's
            raise
        finally:
            pool.release(connection)

    def manifest(self) -> Manifest:
        """What is in force; an empty manifest before anything was published.

        Raises:
            CatalogueError: The pointer names a manifest that is missing or cannot be read.
        """
        pointer = self.manifest_digest()
        if pointer is None:
            return Manifest(self.namespace)
        if self._manifest is None or self._manifest[0] != pointer:
            self._manifest = (pointer, self._read_manifest(pointer))
        return self._manifest[1]

    def manifest_digest(self) -> str | None:
        """The name of the manifest in force; changes with every flip."""
        with self.errors() as client:
            pointer = client.get(store_keys.catalogue_key(self.catalogue_namespace))
        return pointer.decode() if isinstance(pointer, bytes) else None

    def swap(self, key: bytes, expected: bytes | None, value: bytes) -> bool:
        """Set a key if it still holds what is expected (`None`: nothing); whether it did."""
        with self.errors():
            return bool(self.call("swap", [key], [expected or b"", value]))

    def replicate(self, replicas: int) -> int:
        """Wait until so many replicas have all that was written so far; to be used inside `errors`.

        Returns:
            How many have: fewer than asked for when the patience of `durability` was over.
        """
        with self.connection() as connection:
            # A replica has a connection's last write only behind every earlier one of any other.
            barrier = command("SET", store_keys.barrier_key(self.namespace), secrets.token_bytes(8))
            milliseconds = int(self.durability.patience.total_seconds() * 1000)
            send(connection, [barrier, command("WAIT", replicas, milliseconds)])
            _, reached = read_replies(connection, 2)
        return int(reached)

    def _refuse_unsupported(self, server: Any) -> None:  # noqa: ANN401 - as redis-py has it
        if server.get("redis_mode", server.get("server_mode")) == "cluster":
            raise UnsupportedStoreError(
                store=self.address,
                kind="a node of a Cluster",
                remedy="name the Cluster as a whole (redis+cluster://HOST:PORT)",
            )
        if server.get("role") == "slave":
            raise UnsupportedStoreError(
                store=self.address,
                kind="a replica, which takes no writes",
                remedy="name its primary, or the service (redis+sentinel://HOST:PORT/SERVICE)",
            )

    def _connected(self) -> redis.Redis:
        return self._client

    def _read_manifest(self, pointer: str) -> Manifest:
        name = f"manifest {pointer}"
        with self.errors() as client:
            raw = client.get(store_keys.manifest_key(self.catalogue_namespace, pointer))
        if not isinstance(raw, bytes):
            raise CatalogueError(name=name, reason="it is missing")
        try:
            return decode_manifest(raw)
        except ValueError as error:
            raise CatalogueError(name=name, reason=str(error)) from error

    def _pipelined(
        self,
        function: str,
        calls: Sequence[tuple[Sequence[bytes], Sequence[bytes | str | int]]],
    ) -> list[Any]:
        with self._client.pipeline(transaction=False) as pipeline:
            for keys, arguments in calls:
                pipeline.fcall(f"{FUNCTIONS}_{function}", len(keys), *keys, *arguments)
            return pipeline.execute()

    def _exchanged(self, calls: Sequence[bytes]) -> list[Any]:
        with self.connection() as connection:
            send(connection, calls)
            return read_replies(connection, len(calls))

    def _load(self) -> None:
        with self.errors() as client:
            client.function_load(_CODE.read_text(), replace=True)
        self._loaded = True


def send(connection: redis.Connection, commands: Sequence[bytes]) -> None:
    """Send commands that are packed already, without waiting for replies."""
    connection.send_packed_command(commands, check_health=False)  # type: ignore[no-untyped-call]  # redis-py's


def read_replies(connection: redis.Connection, number: int) -> list[Any]:
    """So many replies, all of them, so that the next one is that of the next command.

    Raises:
        redis.ResponseError: The first one that is an error.
    """
    replies, refused = [], None
    for _ in range(number):
        try:
            replies.append(connection.read_response())
        except redis.ResponseError as error:
            refused = refused or error
    if refused is not None:
        raise refused
    return replies


def _is_unknown(error: redis.ResponseError) -> bool:
    return "Function not found" in str(error)
