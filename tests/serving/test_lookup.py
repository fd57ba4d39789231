from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.contract.feature_group import DType, EntitySpec, FeatureGroupSpec, JoinKey, Online
from headrace.contract.keys import KeyValue
from headrace.contract.order import Order, encode_order
from headrace.contract.proto.headrace.v1 import feature_service_pb2 as pb
from headrace.contract.rows import Row, RowCodec, Value, to_microseconds
from headrace.contract.status import Status
from headrace.serving.reading import UNREAD, Copies, Keys
from headrace.tests.contract.strategies import entities as any_entities
from headrace.tests.contract.strategies import key_values_of, schemas, values_of
from headrace.tests.serving.answering import handler, look_up, read, request
from headrace.tests.serving.publishing import NOW, VISIT, Memory, Publisher, evolved, group

MICROSECOND = timedelta(microseconds=1)
TTL = timedelta(days=3)
SPEND = "household_spend:spend_30d"
BOTH = [SPEND, "household_spend:baskets_7d"]


def published(
    spec: FeatureGroupSpec, rows: Mapping[tuple[KeyValue, ...], tuple[Value, ...]]
) -> tuple[Publisher, Memory]:
    """A store with one complete group."""
    memory = Memory()
    publisher = Publisher(memory, "default")
    publisher.publish(spec, rows)
    return publisher, memory


def statuses(memory: Memory, *households: int, **options: timedelta) -> list[list[Status]]:
    """The statuses of both features of `household_spend`, per household."""
    got = look_up(memory, BOTH, {"household_id": households}, **options)  # type: ignore[arg-type]  # max_age alone
    return [[Status(status) for status in row] for row in got.statuses]


def test_values_come_with_what_says_where_they_are_from() -> None:
    _, memory = published(group(), {(1,): (12.5, 3)})

    got = look_up(memory, BOTH, {"household_id": [1]})

    assert got.to_dicts() == [
        {
            "household_id": 1,
            "household_spend__spend_30d": 12.5,
            "household_spend__baskets_7d": 3,
        }
    ]
    assert got.statuses.tolist() == [[Status.PRESENT, Status.PRESENT]]
    assert got.event_timestamps.tolist() == [[NOW.replace(tzinfo=None)]]
    assert got.ages.tolist() == [[timedelta(0)]]
    assert (got.table_versions.tolist(), got.generations.tolist()) == ([[60]], [[1]])
    assert (got.groups, got.versions) == (["household_spend"], [1])


def test_an_unknown_entity_is_not_found_and_a_null_is_null() -> None:
    _, memory = published(group(), {(1,): (None, 3)})

    assert statuses(memory, 1, 2) == [
        [Status.NULL, Status.PRESENT],
        [Status.NOT_FOUND, Status.NOT_FOUND],
    ]


@pytest.mark.parametrize("online", Online)
@pytest.mark.parametrize(
    ("age", "max_age", "expected"),
    [
        (TTL, None, Status.PRESENT),
        (TTL + MICROSECOND, None, Status.STALE),
        (-TTL, None, Status.PRESENT),
        (timedelta(hours=1), timedelta(hours=1), Status.PRESENT),
        (timedelta(hours=1) + MICROSECOND, timedelta(hours=1), Status.STALE),
        (timedelta(hours=1) + MICROSECOND, timedelta(hours=1) + MICROSECOND, Status.PRESENT),
        (TTL + MICROSECOND, timedelta(days=9), Status.STALE),
    ],
)
def test_a_row_is_stale_when_older_than_its_ttl_or_than_max_age(
    online: Online, age: timedelta, max_age: timedelta | None, expected: Status
) -> None:
    memory = Memory()
    spec = group(online=online)
    Publisher(memory, "default").publish(spec, {(1,): (12.5, 3)}, at=NOW - age)

    got = look_up(memory, [SPEND], {"household_id": [1]}, max_age=max_age)

    assert got.statuses.tolist() == [[expected]]


def test_a_group_without_ttl_is_never_stale_by_itself() -> None:
    memory = Memory()
    long_ago = NOW - timedelta(days=36500)
    Publisher(memory, "default").publish(group(ttl=None), {(1,): (12.5, 3)}, at=long_ago)

    assert statuses(memory, 1) == [[Status.PRESENT, Status.PRESENT]]
    assert statuses(memory, 1, max_age=timedelta(days=1)) == [[Status.STALE, Status.STALE]]


def test_a_row_below_the_floor_is_not_found_and_one_at_it_is_live() -> None:
    publisher, memory = published(group(), {(1,): (12.5, 3)})
    publisher.write(group(), {(2,): (1.0, 1)}, at=NOW - MICROSECOND, generation=9)
    publisher.guard(group(), at=NOW, generation=1)

    assert statuses(memory, 1, 2) == [
        [Status.PRESENT, Status.PRESENT],
        [Status.NOT_FOUND, Status.NOT_FOUND],
    ]


def test_a_correction_raises_the_floor_above_the_rows_that_it_dropped() -> None:
    publisher, memory = published(group(), {(1,): (12.5, 3), (2,): (1.0, 1)})
    publisher.write(group(), {(1,): (13.0, 3)}, generation=2)
    publisher.guard(group(), generation=2)

    got = look_up(memory, [SPEND], {"household_id": [1, 2]})

    assert got.to_dicts() == [
        {"household_id": 1, "household_spend__spend_30d": 13.0},
        {"household_id": 2, "household_spend__spend_30d": None},
    ]
    assert got.generations.tolist() == [[2], [-1]]


def test_rows_of_an_upsert_group_are_live_below_its_floor() -> None:
    spec = group(online=Online.UPSERT)
    publisher, memory = published(spec, {(1,): (12.5, 3)})
    publisher.guard(spec, at=NOW + timedelta(days=1))

    assert statuses(memory, 1, 2) == [
        [Status.PRESENT, Status.PRESENT],
        [Status.NOT_FOUND, Status.NOT_FOUND],
    ]


@pytest.mark.parametrize("online", Online)
@pytest.mark.parametrize("guard", [None, b"", b"no order at all"])
def test_without_a_floor_everything_is_an_error_and_nothing_is_not_found(
    online: Online, guard: bytes | None
) -> None:
    spec = group(online=online)
    publisher, memory = published(spec, {(1,): (12.5, 3)})
    del memory[publisher.guard_key(spec)]
    if guard is not None:
        memory.set(publisher.guard_key(spec), guard)

    assert statuses(memory, 1, 2) == [[Status.ERROR, Status.ERROR]] * 2


@pytest.mark.parametrize("row", [b"", b"short", b"long, but it does not begin with an order"])
def test_what_is_no_row_is_an_error_and_the_others_hold(row: bytes) -> None:
    publisher, memory = published(group(), {(1,): (12.5, 3)})
    memory.set(publisher.key(group(), (2,)), row)

    assert statuses(memory, 1, 2) == [
        [Status.PRESENT, Status.PRESENT],
        [Status.ERROR, Status.ERROR],
    ]


def test_rows_that_were_read_apart_are_judged_each_by_the_floor_that_was_read_with_it() -> None:
    """As of a Cluster while a publish raises its floors: one is ahead, one lost, one unread."""
    households = (1, 2, 3, 4)
    publisher, memory = published(group(), {(each,): (12.5, 3) for each in households})
    at, ahead = (encode_order(Order(to_microseconds(NOW), number)) for number in (1, 2))
    copies = Copies.of({1: at, 2: ahead, 3: None}, [0, 1, 2, 3, 4])
    memory.set(publisher.guard_key(group()), copies)

    assert statuses(memory, *households) == [
        [Status.PRESENT, Status.PRESENT],
        [Status.NOT_FOUND, Status.NOT_FOUND],
        [Status.ERROR, Status.ERROR],
        [Status.ERROR, Status.ERROR],
    ]


def test_rows_that_were_not_read_are_errors_and_no_reason_to_ask_for_a_newer_catalogue() -> None:
    publisher, memory = published(group(), {(1,): (12.5, 3)})
    copies = Copies.of({1: memory[publisher.guard_key(group())]}, [0, 1, 2])
    memory.set(publisher.guard_key(group()), copies)
    memory.set(publisher.key(group(), (2,)), UNREAD)
    answering, trips = handler(), list[Keys]()
    read(answering.refresh(), memory)

    raw = read(
        answering.get_online_features(request([SPEND], household_id=[1, 2])), memory, trips.append
    )

    (rows,) = pb.GetOnlineFeaturesResponse.FromString(raw).groups
    assert [row.status for row in rows.rows] == [
        pb.ROW_STATUS_UNSPECIFIED,
        pb.ROW_STATUS_ERROR,
    ]
    assert len(trips) == 1


@pytest.mark.parametrize("schema_id", [1, 127, 128, 2**32 - 1])
def test_a_row_of_an_unknown_schema_is_an_error_and_is_not_answered(schema_id: int) -> None:
    publisher, memory = published(group(), {(1,): (12.5, 3)})
    row = pb.FeatureRow(event_timestamp=to_microseconds(NOW), generation=1, schema_id=schema_id)
    memory.set(publisher.key(group(), (2,)), row.SerializeToString())

    raw = read(handler().get_online_features(request([SPEND], household_id=[1, 2])), memory)

    (answered,) = pb.GetOnlineFeaturesResponse.FromString(raw).groups
    assert list(answered.rows[0].float64_values) == [12.5]
    assert answered.rows[1] == pb.FeatureRow(status=pb.ROW_STATUS_ERROR)


def test_schemas_are_told_apart_when_there_are_many() -> None:
    """129 and 257 are two bytes each, and begin with the same one."""
    spec = replace(group(), schemas=(group().features,) * 200)
    publisher, memory = published(spec, {})
    for household, schema_id in enumerate([129, 257, 129]):
        row = pb.FeatureRow(event_timestamp=to_microseconds(NOW), generation=1, schema_id=schema_id)
        memory.set(publisher.key(spec, (household,)), row.SerializeToString())

    raw = read(handler().get_online_features(request([SPEND], household_id=[0, 1, 2])), memory)

    (answered,) = pb.GetOnlineFeaturesResponse.FromString(raw).groups
    assert [(row.schema_id, row.status) for row in answered.rows] == [
        (129, pb.ROW_STATUS_UNSPECIFIED),
        (0, pb.ROW_STATUS_ERROR),
        (129, pb.ROW_STATUS_UNSPECIFIED),
    ]


def test_a_row_older_than_a_feature_has_it_as_null() -> None:
    before = group()
    publisher, memory = published(before, {(1,): (12.5, 3)})
    after = evolved(before, "visits_7d", DType.INT32)
    publisher.register(after)
    publisher.write(after, {(2,): (1.0, 1, 4)})

    got = look_up(memory, ["household_spend:visits_7d", SPEND], {"household_id": [1, 2]})

    assert got.to_numpy().tolist() == [[pytest.approx(np.nan, nan_ok=True), 12.5], [4.0, 1.0]]
    assert got.statuses.tolist() == [
        [Status.NULL, Status.PRESENT],
        [Status.PRESENT, Status.PRESENT],
    ]


def test_rows_are_answered_as_they_are_stored() -> None:
    publisher, memory = published(group(), {})
    fresh = publisher.write(group(), {(1,): (12.5, None)})[1,]
    old = publisher.write(group(ttl=None), {(2,): (0.0, 2)}, at=NOW)[2,]

    raw = read(handler().get_online_features(request([SPEND], household_id=[1, 2])), memory)

    assert fresh in raw
    assert old in raw
    (answered,) = pb.GetOnlineFeaturesResponse.FromString(raw).groups
    assert [row.SerializeToString(deterministic=True) for row in answered.rows] == [fresh, old]


def test_a_stale_row_is_answered_as_it_is_stored_with_a_mark_behind_it() -> None:
    publisher, memory = published(group(), {})
    old = publisher.write(group(), {(1,): (12.5, 3)}, at=NOW - TTL - MICROSECOND)[1,]
    memory.set(publisher.guard_key(group()), encode_order(Order(0, 1)))

    raw = read(handler().get_online_features(request([SPEND])), memory)

    assert old + pb.FeatureRow(status=pb.ROW_STATUS_STALE).SerializeToString() in raw


def test_duplicates_and_any_order_of_entities_are_kept() -> None:
    _, memory = published(group(), {(1,): (1.0, 1), (2,): (2.0, 2)})

    got = look_up(memory, [SPEND], {"household_id": [2, 3, 1, 2]})

    assert [row["household_spend__spend_30d"] for row in got.to_dicts()] == [2.0, None, 1.0, 2.0]


def test_one_request_reads_groups_of_several_entities_at_once() -> None:
    publisher, memory = published(group(), {(1,): (12.5, 3)})
    visits = group("household_store", features={"visits_30d": DType.INT32}, entity=VISIT)
    publisher.publish(visits, {(1, "a"): (7,)})
    features = ["household_store:visits_30d", "household_spend"]
    answering = handler()
    read(answering.refresh(), memory)
    raw = request(features, household_id=[1, 1], store_id=["a", "b"])
    reads: list[list[bytes]] = []

    read(answering.get_online_features(raw), memory, reads.append)
    got = look_up(memory, features, {"household_id": [1, 1], "store_id": ["a", "b"]})

    assert [len(keys) for keys in reads] == [6]
    assert got.groups == ["household_store", "household_spend"]
    assert [list(row.values()) for row in got.to_dicts()] == [
        [1, "a", 7, 12.5, 3],
        [1, "b", None, 12.5, 3],
    ]


def test_dates_identify_by_their_days_since_1970() -> None:
    entity = EntitySpec("day", (JoinKey("day", DType.DATE), JoinKey("code", DType.BYTES)))
    spec = group("calendar", entity=entity)
    days = [date(1, 1, 1), date(1969, 12, 31), date(9999, 12, 31)]
    _, memory = published(spec, {(day, b"\x7d\xff"): (1.0, day.year) for day in days})

    got = look_up(memory, ["calendar:baskets_7d"], {"day": days, "code": [b"\x7d\xff"] * 3})

    assert got.to_numpy().tolist() == [[1.0], [1969.0], [9999.0]]


@given(st.data())
def test_whatever_is_published_is_looked_up_bit_for_bit(data: st.DataObject) -> None:
    schema, entity = data.draw(schemas()), data.draw(any_entities())
    rows = data.draw(st.dictionaries(key_values_of(entity), values_of(schema), min_size=1))
    spec = group(
        features={feature.name: feature.dtype for feature in schema},
        entity=entity,
        online=data.draw(st.sampled_from(Online)),
    )
    memory = Memory()
    stored = Publisher(memory, "default").publish(spec, rows)
    columns = dict(zip(entity.key_names, zip(*rows, strict=True), strict=True))

    got = look_up(memory, ["household_spend"], columns).to_dicts()

    values = [tuple(row[f"household_spend__{feature.name}"] for feature in schema) for row in got]
    codec = RowCodec(schema, 0)
    assert [codec.encode(Row(to_microseconds(NOW), 1, 60, row)) for row in values] == [
        *stored.values()
    ]
    assert [tuple(row[name] for name in entity.key_names) for row in got] == [*rows]
