"""Feast's side of `serving.py`. Runs in Feast's environment, which knows nothing of ours.

    .venv-feast/bin/python benchmarks/_feast_serving.py prepare FOLDER PORT
    .venv-feast/bin/python benchmarks/_feast_serving.py check FOLDER GRPC_ADDRESS HTTP_ADDRESS
    .venv-feast/bin/python benchmarks/_feast_serving.py sdk FOLDER SECONDS

`prepare` writes rows and requests, `check` compares what its servers answer, `sdk` looks up in its
own process. The last line printed is JSON.
"""

import json
import sys
import time
import urllib.error
import urllib.request
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pandas as pd
from _serving_values import (  # type: ignore[import-not-found]  # beside this script
    CASES,
    ENTITIES,
    GROUPS,
    KEY,
    Case,
    feature_names,
    value,
)
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.protos.feast.serving.ServingService_pb2 import (
    GetOnlineFeaturesRequest,
    GetOnlineFeaturesResponse,
)
from feast.types import Float64, Int64

METHOD = "/GrpcFeatureServer/GetOnlineFeatures"
_PATIENCE_SECONDS = 300
_CONFIGURATION = """\
project: benchmark
provider: local
registry: registry.db
online_store:
  type: redis
  connection_string: "127.0.0.1:{port}"
offline_store:
  type: file
entity_key_serialization_version: 3
"""


def main() -> None:
    """Do what the command line says."""
    warnings.simplefilter("ignore")
    command, folder, *arguments = sys.argv[1:]
    found: object = None
    if command == "prepare":
        prepare(Path(folder), int(arguments[0]))
    elif command == "check":
        found = check(Path(folder), *arguments)
    else:
        found = look_up(folder, float(arguments[0]))
    print(json.dumps(found))


def prepare(folder: Path, port: int) -> None:
    """Declare the views, write their rows, and write down the requests as servers take them."""
    (folder / "feature_store.yaml").write_text(_CONFIGURATION.format(port=port))
    store = FeatureStore(str(folder))
    customer = Entity(name="customer", join_keys=[KEY], value_type=ValueType.INT64)
    views = []
    for group in GROUPS:
        frame = pd.DataFrame(
            [
                [entity, *(value(group, entity, number) for number in range(GROUPS[group]))]
                for entity in range(ENTITIES)
            ],
            columns=[KEY, *feature_names(group)],
        )
        frame["event_timestamp"] = pd.Timestamp(datetime.now(UTC) - timedelta(hours=1))
        frame.to_parquet(folder / f"{group}.parquet")
        fields = [Field(name=name, dtype=Float64) for name in feature_names(group)]
        path, at = str(folder / f"{group}.parquet"), "event_timestamp"
        view = FeatureView(
            name=group,
            entities=[customer],
            ttl=timedelta(days=365),
            schema=[Field(name=KEY, dtype=Int64), *fields],
            source=FileSource(name=group, path=path, timestamp_field=at),
        )
        views.append((view, frame))
    store.apply([customer, *(view for view, _ in views)])
    for view, frame in views:
        store.write_to_online_store(view.name, frame)
    for number, case in enumerate(CASES):
        body = {"features": case.names, "entities": {KEY: case.ids}}
        (folder / f"{number}.json").write_text(json.dumps(body))
        request = GetOnlineFeaturesRequest()
        request.features.val.extend(case.names)
        for each in case.ids:
            request.entities[KEY].val.add().int64_val = each
        (folder / f"{number}.request").write_bytes(request.SerializeToString())


def check(folder: Path, rpc: str, http: str) -> dict[str, int]:
    """The size of each answer over HTTP, once both servers have answered everything rightly."""
    sizes = {}
    with grpc.insecure_channel(rpc) as channel:
        call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(METHOD)
        for number, case in enumerate(CASES):
            raw = call(
                (folder / f"{number}.request").read_bytes(),
                wait_for_ready=True,
                timeout=_PATIENCE_SECONDS,
            )
            (folder / f"{number}.reply").write_bytes(raw)
            answer = GetOnlineFeaturesResponse.FromString(raw)
            names = list(answer.metadata.feature_names.val)
            columns = {
                name: [each.double_val for each in result.values]
                for name, result in zip(names, answer.results, strict=True)
            }
            _compare(case, columns)
            request = urllib.request.Request(  # our own server
                f"http://{http}/get-online-features",
                (folder / f"{number}.json").read_bytes(),
                {"content-type": "application/json"},
            )
            body = _answer(request)
            found = json.loads(body)
            names = found["metadata"]["feature_names"]
            results = (result["values"] for result in found["results"])
            _compare(case, dict(zip(names, results, strict=True)))
            sizes[str(number)] = len(body)
    return sizes


def _answer(request: urllib.request.Request) -> bytes:
    """What a server answers, once it listens."""
    patience = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            with urllib.request.urlopen(request) as reply:  # noqa: S310  # our own server
                body: bytes = reply.read()
                return body
        except urllib.error.HTTPError:
            raise
        except urllib.error.URLError:
            if time.monotonic() > patience:
                raise
            time.sleep(0.1)


def look_up(folder: str, seconds: float) -> dict[str, Any]:
    """What lookups in this process take, one after the other; the answer is no dict yet."""
    store = FeatureStore(folder)
    found = {}
    for case in CASES:
        rows = [{KEY: each} for each in case.ids]
        for _ in range(5):
            answer = store.get_online_features(features=case.names, entity_rows=rows)
        _compare(case, answer.to_dict())
        taken, used, begun = [], time.process_time(), time.perf_counter()
        while time.perf_counter() - begun < seconds:
            before = time.perf_counter()
            store.get_online_features(features=case.names, entity_rows=rows)
            taken.append(time.perf_counter() - before)
        passed = time.perf_counter() - begun
        found[case.name] = {
            "calls_per_second": len(taken) / passed,
            "server_us": (time.process_time() - used) / len(taken) * 1e6,
            "p50_ms": sorted(taken)[len(taken) // 2] * 1e3,
        }
    return found


def _compare(case: Case, columns: dict[str, list[float]]) -> None:
    names = [name.partition(":")[2] for name in case.names]
    if [list(row) for row in zip(*(columns[name] for name in names), strict=True)] != case.values:
        message = f"Feast answers {case.name} wrongly"
        raise RuntimeError(message)


if __name__ == "__main__":
    main()
