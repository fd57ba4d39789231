"""What one precomputed key per (service, entity) would gain over a key per group.

Prints the figures of decision 0026: CPU microseconds of the serving process per lookup (handler and
engine, a private Valkey on a unix socket, one lookup at a time and 16 at once) of three groups of
ten features. The vector is a group of thirty features, its rows written as if by one publish: what
a service of precomputed vectors would read at best.

    .venv/bin/python benchmarks/service_vectors.py [--reduced]
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import redis

from headrace.contract.clock import Clock
from headrace.contract.environment import Environment
from headrace.contract.feature_group import DType, FeatureGroupSpec
from headrace.contract.proto.headrace.v1 import feature_service_pb2 as pb
from headrace.resources.online.local_valkey import LocalValkey
from headrace.serving.handler import Handler
from headrace.serving.settings import Limits, StoreSettings
from headrace.serving.store.engine import Engine
from headrace.tests.serving.publishing import NOW, Publisher, group

GROUPS, FEATURES, HOUSEHOLDS = 3, 10, 5000


def fill(client: redis.Redis) -> dict[str, list[str]]:
    """Publish three groups and their vector; what is asked for, by the way it is stored."""
    publisher = Publisher(client, "default")
    groups = [declared(f"group_{number}", FEATURES) for number in range(GROUPS)]
    vector = declared("vector", FEATURES * GROUPS)
    for spec in (*groups, vector):
        values = [float(place) for place in range(len(spec.features))]
        publisher.publish(spec, {(household,): values for household in range(HOUSEHOLDS)})
    return {"a key per group": [spec.name for spec in groups], "one vector": [vector.name]}


def declared(name: str, features: int) -> FeatureGroupSpec:
    """A group of floats."""
    return group(name, features={f"{name}_{place}": DType.FLOAT64 for place in range(features)})


def cost(engine: Engine, handler: Handler, raw: bytes, *, at_once: int, lookups: int) -> float:
    """CPU microseconds of this process per lookup."""
    started = time.process_time()
    for _ in range(lookups // at_once):
        answers: list[bytes | Exception] = []
        for _ in range(at_once):
            engine.submit(handler.get_online_features(raw), answers.append)
        while len(answers) < at_once:
            engine.poll(1)
        failed = [answer for answer in answers if isinstance(answer, Exception)]
        if failed:
            raise failed[0]
    return (time.process_time() - started) / (lookups // at_once * at_once) * 1e6


def request(features: list[str], entities: int) -> bytes:
    """A serialized request for entities that are spread over the keys."""
    households = [place * 37 % HOUSEHOLDS for place in range(entities)]
    column = pb.EntityColumn(
        join_key="household_id", int64_values=pb.Int64Values(values=households)
    )
    return pb.GetOnlineFeaturesRequest(features=features, entities=[column]).SerializeToString()


def compare(
    measured: Callable[[bytes, int], float], asked: dict[str, list[str]], rounds: int
) -> None:
    """Print a row per shape of a lookup: medians of rounds in which both ways take turns."""
    print("| entities, at once | " + " | ".join(asked) + " | gain |\n|---|---|---|---|")
    for entities, at_once in ((1, 1), (1, 16), (100, 1), (100, 16)):
        found: dict[str, list[float]] = {way: [] for way in asked}
        for _ in range(rounds):
            for way, features in asked.items():
                found[way].append(measured(request(features, entities), at_once))
        before, after = (statistics.median(costs) for costs in found.values())
        print(f"| {entities}, {at_once} | {before:.1f} | {after:.1f} | {before / after:.2f}x |")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reduced", action="store_true", help="a smoke test: figures mean nothing")
    reduced = parser.parse_args().reduced
    lookups, rounds = (32, 1) if reduced else (800, 7)
    with tempfile.TemporaryDirectory() as home:
        environment = Environment.read({"HEADRACE_HOME": str(Path(home))})
        with LocalValkey(environment) as valkey, redis.Redis.from_url(valkey.url) as client:
            asked = fill(client)
            patience = timedelta(seconds=30)  # the machine may be busy
            engine = Engine(StoreSettings(valkey.url, timeout=patience))
            handler = Handler("default", Limits(), Clock(NOW))

            def measured(raw: bytes, at_once: int) -> float:
                return cost(engine, handler, raw, at_once=at_once, lookups=lookups)

            try:
                compare(measured, asked, rounds)
            finally:
                engine.close()
    print(f"CPU µs per lookup; load of the machine {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
