"""A client in another language, made of the `.proto` alone, reads what the Python client reads."""

import json
import shutil
import struct
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import redis

from headrace.contract.feature_group import DType, EntitySpec, JoinKey, Online
from headrace.contract.rows import Value, to_microseconds
from headrace.contract.status import Status
from headrace.serving.client import FeatureClient
from headrace.serving.online_features import OnlineFeatures
from headrace.tests.serving.publishing import NOW, Publisher, group
from headrace.tests.serving.running import served, settings

pytestmark = pytest.mark.server

LookUp: TypeAlias = Callable[[str, dict[str, object]], dict[str, Any]]

HERE = Path(__file__).parent
PROTO = Path(__file__).parents[2] / "contract/proto/headrace/v1/feature_service.proto"
NODE = shutil.which("node")
SHOPPER = EntitySpec(
    "shopper", (JoinKey("shopper_id", DType.INT64), JoinKey("store", DType.STRING))
)
NAN, INFINITY = float("nan"), float("inf")
FULL: dict[DType, Value] = {
    DType.BOOL: True,
    DType.INT32: -(2**31),
    DType.INT64: 2**53 + 1,
    DType.FLOAT32: -0.0,
    DType.FLOAT64: 0.1,
    DType.STRING: "naïve ✓ 𝄞",
    DType.BYTES: b"\x00\x7d\xff",
    DType.DATE: date(1969, 12, 31),
    DType.TIMESTAMP: datetime(2017, 12, 25, 1, 2, 3, 456789, tzinfo=UTC),
    DType.FLOAT32_LIST: [0.5, NAN, INFINITY],
    DType.FLOAT64_LIST: [0.1, -INFINITY],
    DType.INT64_LIST: [2**63 - 1, -(2**63)],
}
ODD: dict[DType, Value] = {
    DType.BOOL: False,
    DType.INT32: None,
    DType.INT64: -(2**53) - 1,
    DType.FLOAT32: NAN,
    DType.FLOAT64: NAN,
    DType.STRING: "",
    DType.BYTES: b"",
    DType.DATE: date(9999, 12, 31),
    DType.TIMESTAMP: datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    DType.FLOAT32_LIST: [],
    DType.FLOAT64_LIST: None,
    DType.INT64_LIST: [],
}
DTYPES = {
    "everything": {dtype.name.lower(): dtype for dtype in DType},
    "newest_basket": {"spend_30d": DType.FLOAT64, "baskets_7d": DType.INT64},
}
ENTITIES: dict[str, list[Any]] = {
    "shopper_id": [2**53 + 1, 2, 3, 4],
    "store": ["Zürich", "", "old", "nobody"],
}


def float_hex(form: str) -> Callable[[Any], str]:
    return lambda value: struct.pack(form, value).hex()


def days(day: date) -> int:
    return (day - date(1970, 1, 1)).days


SPELLINGS: dict[DType, Callable[[Any], object]] = {
    DType.BOOL: bool,
    DType.INT32: int,
    DType.INT64: str,
    DType.FLOAT32: float_hex(">f"),
    DType.FLOAT64: float_hex(">d"),
    DType.STRING: str,
    DType.BYTES: bytes.hex,
    DType.DATE: days,
    DType.TIMESTAMP: lambda instant: str(to_microseconds(instant)),
    DType.FLOAT32_LIST: lambda values: [*map(float_hex(">f"), values)],
    DType.FLOAT64_LIST: lambda values: [*map(float_hex(">d"), values)],
    DType.INT64_LIST: lambda values: [*map(str, values)],
}


@pytest.fixture
def look_up() -> LookUp:
    """Node's answer to a request, or the error that it got."""
    if NODE is None:
        pytest.skip("needs Node: no `node` on this machine")
    if not (HERE / "node_modules").is_dir():
        pytest.skip("needs Node's packages: run `npm ci --prefix tests/interop`")

    def run(address: str, request: dict[str, object]) -> dict[str, Any]:
        ran = subprocess.run(
            [NODE, HERE / "lookup.js", address, PROTO, json.dumps(request)],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        answer: dict[str, Any] = json.loads(ran.stdout)
        return answer

    return run


@pytest.fixture
def server(valkey_url: str) -> Iterator[str]:
    """A server with a snapshot group of every type and an upsert group with an old row."""
    with redis.Redis.from_url(valkey_url) as store:
        publisher = Publisher(store, "default")
        everything = group(
            "everything",
            features=DTYPES["everything"],
            entity=SHOPPER,
        )
        full, odd = ((2**53 + 1, "Zürich"), (2, ""))
        publisher.publish(
            everything,
            {
                full: tuple(FULL[dtype] for dtype in DType),
                odd: tuple(ODD[dtype] for dtype in DType),
            },
        )
        newest = group("newest_basket", entity=SHOPPER, online=Online.UPSERT)
        publisher.publish(newest, {full: (12.5, 3)})
        publisher.write(newest, {(3, "old"): (1.5, None)}, at=NOW - timedelta(days=4))
        lost = group("lost", entity=SHOPPER)
        publisher.publish(lost, {full: (12.5, 3)})
        store.delete(publisher.guard_key(lost))
    with served(settings(valkey_url)) as address:
        yield address


def test_node_decodes_every_value_that_the_python_client_does(server: str, look_up: LookUp) -> None:
    features = ["newest_basket", "everything", "lost"]

    with FeatureClient(server) as client:
        got = client.get_online_features(features, entities=ENTITIES, stale="keep")
    answered = look_up(
        server,
        {
            "features": features,
            "entities": [
                {
                    "join_key": "shopper_id",
                    "int64_values": {"values": [str(value) for value in ENTITIES["shopper_id"]]},
                },
                {"join_key": "store", "string_values": {"values": ENTITIES["store"]}},
            ],
        },
    )

    assert answered["groups"] == [
        {"name": f"{name}@1", "rows": [_row(got, entity, index) for entity in range(len(got))]}
        for index, name in enumerate(got.groups)
    ]
    assert answered["answered_at"] == str(to_microseconds(NOW))
    assert {row["status"] for answer in answered["groups"] for row in answer["rows"]} == {
        "FOUND",
        "STALE",
        "NOT_FOUND",
        "ERROR",
    }


def test_node_gets_the_status_and_the_message_of_an_error(server: str, look_up: LookUp) -> None:
    entities = [{"join_key": "shopper_id", "int64_values": {"values": ["1"]}}]

    unknown = look_up(server, {"features": ["everythin"], "entities": entities})
    partial = look_up(server, {"features": ["everything"], "entities": entities})

    assert unknown == {
        "code": 5,
        "details": "there is no published feature group 'everythin'; did you mean 'everything'?",
    }
    assert partial == {
        "code": 3,
        "details": "entity 'shopper', join key 'store': expected STRING, got nothing",
    }


def _row(got: OnlineFeatures, entity: int, group_index: int) -> dict[str, object]:
    """A row of the Python client's answer, spelled as the program in Node spells it."""
    name = got.groups[group_index]
    columns = [
        (index, feature.removeprefix(f"{name}__"))
        for index, feature in enumerate(got.feature_names)
        if got.group_index[index] == group_index
    ]
    statuses = {Status(got.statuses[entity, index]) for index, _ in columns}
    if statuses <= {Status.NOT_FOUND, Status.ERROR}:
        return {"status": statuses.pop().name}
    values = got.to_dicts()[entity]
    types = DTYPES[name]
    return {
        "status": "STALE" if statuses == {Status.STALE} else "FOUND",
        "event_timestamp": str(got.event_timestamps[entity, group_index].astype(int)),
        "generation": got.generations[entity, group_index],
        "table_version": str(got.table_versions[entity, group_index]),
        "values": {
            feature: None
            if (value := values[f"{name}__{feature}"]) is None
            else SPELLINGS[types[feature]](value)
            for _, feature in columns
        },
    }
