"""What `POST /v1/online-features` answers."""

import math
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import redis

from headrace.contract.feature_group import DType, EntitySpec, JoinKey
from headrace.tests.serving.publishing import NOW, VISIT, Publisher, group
from headrace.tests.serving.rest.asking import LOOKUP, ask, households

pytestmark = pytest.mark.server

EVERY_TYPE = {
    "a_bool": DType.BOOL,
    "an_int32": DType.INT32,
    "an_int64": DType.INT64,
    "a_float32": DType.FLOAT32,
    "a_float64": DType.FLOAT64,
    "a_string": DType.STRING,
    "some_bytes": DType.BYTES,
    "a_date": DType.DATE,
    "a_timestamp": DType.TIMESTAMP,
    "some_float32": DType.FLOAT32_LIST,
    "some_float64": DType.FLOAT64_LIST,
    "some_int64": DType.INT64_LIST,
}


def test_an_answer_has_one_inner_list_per_entity(rest: str, publisher: Publisher) -> None:
    publisher.publish(group(), {(1,): (12.5, 3), (3,): (None, 4)})

    reply = ask(rest, LOOKUP, households(1, 2, 3, features=["household_spend"]))

    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    assert reply.json == {
        "feature_names": ["household_spend__spend_30d", "household_spend__baskets_7d"],
        "entities": {"household_id": [1, 2, 3]},
        "values": [[12.5, 3], [None, None], [None, 4]],
        "statuses": [["PRESENT", "PRESENT"], ["NOT_FOUND", "NOT_FOUND"], ["NULL", "PRESENT"]],
        "event_timestamps": [
            ["2018-01-02T00:00:00Z"] * 2,
            [None] * 2,
            ["2018-01-02T00:00:00Z"] * 2,
        ],
        "table_versions": [[60, 60], [None, None], [60, 60]],
        "generations": [[1, 1], [None, None], [1, 1]],
        "feature_groups": [{"name": "household_spend", "version": 1}],
        "answered_at": "2018-01-02T00:00:00Z",
    }


def test_features_of_several_groups_stand_in_the_order_asked(
    rest: str, publisher: Publisher
) -> None:
    publisher.publish(group(), {(1,): (12.5, 3)})
    other = group("household_store", features={"visits": DType.INT64}, entity=VISIT)
    earlier = NOW - timedelta(hours=1, microseconds=1)
    publisher.publish(other, {(1, "a"): (7,)}, at=earlier)

    got = ask(
        rest,
        LOOKUP,
        {
            "features": [
                "household_spend:baskets_7d",
                "household_store",
                "household_spend:spend_30d",
            ],
            "entities": {"store_id": ["a", "b"], "household_id": [1, 1]},
        },
    ).json

    assert got["values"] == [[3, 7, 12.5], [3, None, 12.5]]
    assert got["event_timestamps"][0] == [
        "2018-01-02T00:00:00Z",
        "2018-01-01T22:59:59.999999Z",
        "2018-01-02T00:00:00Z",
    ]


def test_a_feature_service_is_asked_by_its_name(rest: str, publisher: Publisher) -> None:
    publisher.publish(group(), {(1,): (12.5, 3)})
    publisher.register_service("coupons", ["household_spend:baskets_7d"])

    got = ask(rest, LOOKUP, {"feature_service": "coupons", "entities": {"household_id": [1]}}).json

    assert (got["feature_names"], got["values"]) == (["household_spend__baskets_7d"], [[3]])


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, ([[12.5]], [["PRESENT"]])),
        ({"max_age_seconds": 60}, ([[12.5]], [["PRESENT"]])),
        ({"max_age_seconds": 59.5}, ([[None]], [["STALE"]])),
        ({"max_age_seconds": 59.5, "stale": "null"}, ([[None]], [["STALE"]])),
        ({"max_age_seconds": 59.5, "stale": "keep"}, ([[12.5]], [["STALE"]])),
    ],
)
def test_stale_values_are_hidden_unless_they_are_kept(
    rest: str, publisher: Publisher, asked: dict[str, Any], expected: object
) -> None:
    publisher.publish(group(), {(1,): (12.5, 3)}, at=NOW - timedelta(minutes=1))

    got = ask(rest, LOOKUP, households(1, **asked)).json

    assert (got["values"], got["statuses"]) == expected
    assert got["event_timestamps"] == [["2018-01-01T23:59:00Z"]]


def test_every_type_is_spelled_as_proto3_does(rest: str, publisher: Publisher) -> None:
    spec = group("everything", features=EVERY_TYPE)
    first = (
        *(True, -(2**31), 2**53 + 1, 0.5, math.nan, "ü", b"\x00\xff", date(2018, 1, 2)),
        *(datetime(2018, 1, 2, 3, tzinfo=UTC), [0.5], [math.inf, -math.inf], [1, -(2**63)]),
    )
    publisher.publish(spec, {(1,): first})

    got = ask(rest, LOOKUP, {"features": ["everything"], "entities": {"household_id": [1]}}).json

    assert got["values"] == [
        [
            *(True, -(2**31), "9007199254740993", 0.5, "NaN", "ü", "AP8=", "2018-01-02"),
            *("2018-01-02T03:00:00Z", [0.5], ["Infinity", "-Infinity"]),
            [1, "-9223372036854775808"],
        ]
    ]


def test_join_keys_are_written_as_they_are_answered(rest: str, publisher: Publisher) -> None:
    types = (DType.INT32, DType.INT64, DType.STRING, DType.BYTES, DType.DATE)
    entity = EntitySpec("all", tuple(JoinKey(dtype.name.lower(), dtype) for dtype in types))
    spec = group("keyed", features={"x": DType.INT64}, entity=entity)
    publisher.publish(spec, {(1, 2**60, "ü", b"\xff", date(2018, 1, 2)): (5,)})
    written = {
        "int32": [1],
        "int64": [str(2**60)],
        "string": ["ü"],
        "bytes": ["/w=="],
        "date": ["2018-01-02"],
    }

    got = ask(rest, LOOKUP, {"features": ["keyed"], "entities": written}).json
    exact = ask(rest, LOOKUP, {"features": ["keyed"], "entities": {**written, "int64": [2**60]}})

    assert (got["entities"], got["values"]) == (written, [[5]])
    assert exact.json == got


def test_no_entities_are_an_answer_without_rows(rest: str, publisher: Publisher) -> None:
    publisher.publish(group(), {(1,): (12.5, 3)})

    got = ask(rest, LOOKUP, households()).json

    assert got["feature_names"] == ["household_spend__spend_30d"]
    assert (got["entities"], got["values"], got["statuses"]) == ({"household_id": []}, [], [])


def test_members_that_are_null_are_as_good_as_absent(rest: str, publisher: Publisher) -> None:
    publisher.publish(group(), {(1,): (12.5, 3)})

    reply = ask(rest, LOOKUP, households(1, feature_service=None, max_age_seconds=None, stale=None))

    assert reply.json["values"] == [[12.5]]


def test_rows_that_cannot_be_read_are_errors_beside_the_others(
    rest: str,
    publisher: Publisher,
    store: redis.Redis,
) -> None:
    spec = group()
    publisher.publish(spec, {(1,): (12.5, 3)})
    store.set(publisher.key(spec, (2,)), b"no row")

    got = ask(rest, LOOKUP, households(1, 2)).json

    assert (got["values"], got["statuses"]) == ([[12.5], [None]], [["PRESENT"], ["ERROR"]])
