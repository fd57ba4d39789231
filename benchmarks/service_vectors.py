"""What one precomputed key per (service, entity) would gain over a key per group.

Prints the figures of decision 0026: CPU microseconds of the serving process per lookup (handler and
engine, a private Valkey on a unix socket, one lookup at a time and 16 at once) of three groups of
ten features. Two vectors are compared with it: a row of thirty features, as if one publish wrote it
(the least that a lookup can cost, which answers as one group and knows one commit), and the three
rows of an entity in one value, which is taken apart, judged by three floors and answered as today.

    .venv/bin/python benchmarks/service_vectors.py [--reduced]
"""

import argparse
import os
import statistics
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

import redis

from headrace.contract.clock import Clock
from headrace.contract.environment import Environment
from headrace.contract.feature_group import DType, FeatureGroupSpec
from headrace.contract.keys import KeyValue
from headrace.contract.proto.headrace.v1 import feature_service_pb2 as pb
from headrace.contract.rows import to_microseconds
from headrace.resources.online.local_valkey import LocalValkey
from headrace.serving.contracts import Snapshot
from headrace.serving.handler import Handler
from headrace.serving.lookup import Lookup
from headrace.serving.query import parse_query
from headrace.serving.reading import Reading, Result
from headrace.serving.settings import Limits, StoreSettings
from headrace.serving.store.engine import Engine
from headrace.tests.serving.publishing import NOW, Publisher, group

GROUPS, FEATURES, HOUSEHOLDS = 3, 10, 5000
FLAT, STITCHED = "flat", "stitched"
LENGTHS = struct.Struct(f"<{GROUPS}H")


def fill(client: redis.Redis) -> Sequence[str]:
    """Publish three groups and both vectors; the names of the groups."""
    publisher = Publisher(client, "default")
    groups = [declared(f"group_{number}", FEATURES) for number in range(GROUPS)]
    stitched, flat = declared(STITCHED, 1), declared(FLAT, FEATURES * GROUPS)
    stored = [publisher.publish(spec, _rows(spec)) for spec in groups]
    for spec in (stitched, flat):
        publisher.publish(spec, _rows(spec))
    for entity, *rows in zip(stored[0], *(each.values() for each in stored), strict=True):
        lengths = LENGTHS.pack(*map(len, rows))
        client.set(publisher.key(stitched, entity), lengths + b"".join(rows))
    return [spec.name for spec in groups]


def _rows(spec: FeatureGroupSpec) -> dict[tuple[KeyValue, ...], list[float]]:
    values = [float(place) for place in range(len(spec.features))]
    return {(household,): values for household in range(HOUSEHOLDS)}


def taken_apart(snapshot: Snapshot, raw: bytes, answering: Lookup) -> Reading[bytes]:
    """Answer a request for the stitched vector by the rows in it, as a server would have to.

    Args:
        snapshot: The catalogue.
        raw: The request.
        answering: A lookup of the same entities in the groups; its keys are not read.
    """
    query = parse_query(raw, Limits())
    selection = snapshot.select(query.features, "")
    _, *keys = Lookup(query, selection, Limits()).keys
    guards = [group.guard for group in answering.selection.groups]
    values = yield guards + keys
    rows: list[list[bytes | None]] = [[] for _ in guards]
    for value in filter(None, values[len(guards) :]):
        first, second, third = LENGTHS.unpack_from(value)
        start = LENGTHS.size
        rows[0].append(value[start : start + first])
        rows[1].append(value[start + first : start + first + second])
        rows[2].append(value[start + first + second : start + first + second + third])
    judged: list[bytes | None] = []
    for guard, column in zip(values, rows, strict=False):
        judged += (guard, *column)
    return answering.answer(judged, to_microseconds(NOW)).body


def declared(name: str, features: int) -> FeatureGroupSpec:
    """A group of floats."""
    return group(name, features={f"{name}_{place}": DType.FLOAT64 for place in range(features)})


def run(engine: Engine, reading: Reading[Result]) -> Result:
    """What a reading comes to."""
    (answer,) = _answers(engine, [reading])
    return answer


def _answers(engine: Engine, readings: Sequence[Reading[Result]]) -> list[Result]:
    answers: list[Result] = []

    def take(answer: Result | Exception) -> None:
        if isinstance(answer, Exception):
            raise answer
        answers.append(answer)

    for reading in readings:
        engine.submit(reading, take)
    while len(answers) < len(readings):
        engine.poll(1)
    return answers


def cost(
    engine: Engine, reading: Callable[[], Reading[bytes]], *, at_once: int, lookups: int
) -> float:
    """CPU microseconds of this process per lookup."""
    started = time.process_time()
    for _ in range(lookups // at_once):
        _answers(engine, [reading() for _ in range(at_once)])
    return (time.process_time() - started) / (lookups // at_once * at_once) * 1e6


def request(features: Sequence[str], entities: int) -> bytes:
    """A serialized request for entities that are spread over the keys."""
    households = [place * 37 % HOUSEHOLDS for place in range(entities)]
    column = pb.EntityColumn(
        join_key="household_id", int64_values=pb.Int64Values(values=households)
    )
    return pb.GetOnlineFeaturesRequest(features=features, entities=[column]).SerializeToString()


def ways(
    engine: Engine, handler: Handler, groups: Sequence[str], entities: int
) -> dict[str, Callable[[], Reading[bytes]]]:
    """How a lookup may be done; the two that answer alike give the same bytes."""
    by_group, flat, stitched = (request(names, entities) for names in (groups, [FLAT], [STITCHED]))
    snapshot = run(engine, handler.refresh())
    query = parse_query(by_group, Limits())
    answering = Lookup(query, snapshot.select(query.features, ""), Limits())
    alike = [handler.get_online_features(by_group), taken_apart(snapshot, stitched, answering)]
    if len({run(engine, reading) for reading in alike}) > 1:
        sys.exit("the answers differ")
    return {
        "a key per group": lambda: handler.get_online_features(by_group),
        "one value, three rows": lambda: taken_apart(snapshot, stitched, answering),
        "one row": lambda: handler.get_online_features(flat),
    }


def compare(
    engine: Engine, handler: Handler, groups: Sequence[str], *, lookups: int, rounds: int
) -> None:
    """Print a line per shape of a lookup: medians of rounds in which all ways take turns."""
    print("| entities, at once | a key per group | one value, three rows | one row |")
    print("|---|---|---|---|")
    for entities, at_once in ((1, 1), (1, 16), (100, 1), (100, 16)):
        readings = ways(engine, handler, groups, entities)
        found: dict[str, list[float]] = {way: [] for way in readings}
        for _ in range(rounds):
            for way, reading in readings.items():
                found[way].append(cost(engine, reading, at_once=at_once, lookups=lookups))
        now, *others = (statistics.median(costs) for costs in found.values())
        shown = " | ".join(f"{each:.1f} ({now / each:.2f}x)" for each in others)
        print(f"| {entities}, {at_once} | {now:.1f} | {shown} |")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reduced", action="store_true", help="a smoke test: figures mean nothing")
    reduced = parser.parse_args().reduced
    lookups, rounds = (32, 1) if reduced else (800, 7)
    with tempfile.TemporaryDirectory() as home:
        environment = Environment.read({"HEADRACE_HOME": str(Path(home))})
        with LocalValkey(environment) as valkey, redis.Redis.from_url(valkey.url) as client:
            groups = fill(client)
            patience = timedelta(seconds=30)  # the machine may be busy
            engine = Engine(StoreSettings(valkey.url, timeout=patience))
            handler = Handler("default", Limits(), Clock(NOW))
            try:
                compare(engine, handler, groups, lookups=lookups, rounds=rounds)
            finally:
                engine.close()
    print(f"CPU µs per lookup; load of the machine {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
