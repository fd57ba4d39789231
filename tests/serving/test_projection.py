"""Answers that hold the asked features alone say what whole rows do, however they are asked for."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import grpc
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from headrace.contract.feature_group import DType
from headrace.contract.proto.headrace.v1 import feature_service_pb2 as pb
from headrace.contract.rows import Row, RowCodec, Value, to_microseconds
from headrace.serving.client import AsyncFeatureClient, FeatureClient
from headrace.serving.conversation import Conversation
from headrace.serving.online_features import OnlineFeatures
from headrace.serving.question import Question
from headrace.serving.settings import Limits
from headrace.tests.contract.strategies import VALUES
from headrace.tests.serving.answering import converse, handler
from headrace.tests.serving.publishing import NOW, Memory, Publisher, evolved, group
from headrace.tests.serving.rest.asking import LOOKUP, ask, rest_served, rest_settings
from headrace.tests.serving.running import served, settings

EVERY = {f"f{dtype.value}": dtype for dtype in DType}
OF_EACH: tuple[Value, ...] = (
    *(True, -3, 2**60, 0.5, -1.25, "ost", b"\0\1", date(2018, 1, 1)),
    *(datetime(2018, 1, 1, tzinfo=UTC), [0.5, 1.5], [2.5], []),
)
ABSENT = 9
METHOD = "/headrace.v1.FeatureService/GetOnlineFeatures"


def said(answer: OnlineFeatures) -> tuple[object, ...]:
    """All that an answer says."""
    arrays = (answer.statuses, answer.event_timestamps, answer.table_versions, answer.generations)
    contracts = [contract.contract_id for contract in answer.contracts]
    values = [[repr(value) for value in row.values()] for row in answer.to_dicts()]
    arrow = str(answer.to_arrow().schema)
    return (*(array.tolist() for array in arrays), contracts, answer.feature_names, values, arrow)


def publish_every_dtype(publisher: Publisher) -> None:
    """Rows of two schemas: present, old, with nulls; of every dtype."""
    first = group("every", features=EVERY)
    nulls = (None,) * len(OF_EACH)
    publisher.publish(
        first, {(1,): OF_EACH, (2,): nulls, (3,): OF_EACH}, at=NOW - timedelta(days=2)
    )
    second = evolved(first, "added", DType.FLOAT64)
    publisher.register(second)
    publisher.write(second, {(4,): (*OF_EACH, 7.5), (5,): (*nulls, None)})
    publisher.publish(group("other"), {(1,): (12.5, 3), (4,): (None, 4)})


@pytest.fixture
def every(publisher: Publisher, transport: str, valkey_url: str) -> Iterator[str]:
    publish_every_dtype(publisher)
    with served(settings(valkey_url), transport) as address:
        yield address


@pytest.fixture(params=["lean", "aio"])
def transport(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


ASKED = ["every:added", "every:f6", "other:baskets_7d", "every:f5", "every:f1", "every:f9"]
HOUSEHOLDS = {"household_id": [5, 1, 4, ABSENT, 2, 1]}


@pytest.mark.server
def test_both_clients_and_their_streams_get_the_same(every: str) -> None:
    max_age = timedelta(hours=36)

    async def asynchronously() -> list[OnlineFeatures]:
        async with AsyncFeatureClient(every) as client:
            unary = await client.get_online_features(
                ASKED, entities=HOUSEHOLDS, max_age=max_age, stale="keep", project=True
            )
            stream = client.stream_online_features(
                ASKED, entities=[HOUSEHOLDS], max_age=max_age, stale="keep", project=True
            )
            return [unary, *[outcome.result() async for outcome in stream]]

    with FeatureClient(every) as client:
        whole = client.get_online_features(
            ASKED, entities=HOUSEHOLDS, max_age=max_age, stale="keep"
        )
        unary = client.get_online_features(
            ASKED, entities=HOUSEHOLDS, max_age=max_age, stale="keep", project=True
        )
        stream = client.stream_online_features(
            ASKED, entities=[HOUSEHOLDS], max_age=max_age, stale="keep", project=True
        )
        answers = [unary, *(outcome.result() for outcome in stream)]
    answers += asyncio.run(asynchronously())

    assert [said(answer) for answer in answers] == [said(whole)] * 4
    assert len({*np.unique(whole.statuses).tolist()}) == 4, "PRESENT, NULL, STALE and NOT_FOUND"


def request(projection: pb.Projection, *features: str) -> pb.GetOnlineFeaturesRequest:
    ids = pb.EntityColumn(join_key="household_id", int64_values=pb.Int64Values(values=[4, 1]))
    return pb.GetOnlineFeaturesRequest(features=features, entities=[ids], projection=projection)


def asked(address: str, message: pb.GetOnlineFeaturesRequest) -> pb.GetOnlineFeaturesResponse:
    with grpc.insecure_channel(address) as channel:
        call = channel.unary_unary(
            METHOD,
            request_serializer=pb.GetOnlineFeaturesRequest.SerializeToString,
            response_deserializer=pb.GetOnlineFeaturesResponse.FromString,
        )
        response: pb.GetOnlineFeaturesResponse = call(message)
        return response


@pytest.mark.server
def test_an_answer_describes_the_rows_that_it_projects_and_holds_nothing_else(every: str) -> None:
    features = ("every:f6", "every:added", "other")

    projected = asked(every, request(pb.PROJECTION_ALWAYS, *features))
    whole = asked(every, request(pb.PROJECTION_UNSPECIFIED, *features))

    first, second = projected.groups
    assert [each.name for each in first.projection.features] == ["f6", "added"]
    assert [list(row.string_values) for row in first.rows] == [["ost"], ["ost"]]
    assert [list(row.float64_values) for row in first.rows] == [[7.5], [0.0]]
    assert [row.null_bitmap for row in first.rows] == [b"", b"\2"]
    assert not any(row.int64_values or row.bytes_values or row.schema_id for row in first.rows)
    assert second == whole.groups[1], "a group that is asked for as a whole is not projected"
    assert not any(answered.HasField("projection") for answered in whole.groups)


@pytest.mark.server
def test_a_long_answer_is_projected_for_those_who_can_read_it(
    publisher: Publisher, valkey_url: str, transport: str
) -> None:
    publish_every_dtype(publisher)
    limits = Limits(message_bytes=200)
    with served(settings(valkey_url, limits=limits), transport) as address:
        long = asked(address, request(pb.PROJECTION_IF_LONG, "every:f6"))
        plain = asked(address, request(pb.PROJECTION_UNSPECIFIED, "every:f6"))
        short = asked(address, request(pb.PROJECTION_IF_LONG, "other:spend_30d"))
        with FeatureClient(address) as client:
            answer = client.get_online_features(["every:f6"], entities={"household_id": [4, 1]})

    assert long.groups[0].HasField("projection")
    assert not plain.groups[0].HasField("projection")
    assert not short.groups[0].HasField("projection")
    assert answer.to_columns()["every__f6"] == ["ost", "ost"]


@pytest.mark.server
def test_a_projection_that_nobody_knows_is_refused(every: str) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        asked(every, request(7, "every:f6"))  # type: ignore[arg-type]  # what a newer client may send

    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.server
def test_over_http_nothing_changes(publisher: Publisher, valkey_url: str) -> None:
    """JSON never holds more than what was asked for."""
    publish_every_dtype(publisher)
    bodies = []
    for limits in (Limits(), Limits(message_bytes=200)):
        with rest_served(rest_settings(valkey_url, limits=limits)) as address:
            body = {"features": ASKED, "entities": HOUSEHOLDS, "stale": "keep"}
            bodies.append(ask(address, LOOKUP, body).json)

    assert bodies[0]["feature_names"] == [name.replace(":", "__") for name in ASKED]
    assert bodies[1] == bodies[0]


@st.composite
def published(draw: st.DrawFn) -> tuple[Memory, list[str], list[int]]:
    """A store with a group of two schemas, some of its features, and entities in any order."""
    dtypes = draw(st.lists(st.sampled_from(DType), min_size=1, max_size=6))
    first = group(features={f"f{place}": dtype for place, dtype in enumerate(dtypes)})
    spec = evolved(first, "added", draw(st.sampled_from(DType)))
    memory = Memory()
    publisher = Publisher(memory, "default")
    publisher.register(spec)
    publisher.guard(spec, at=NOW - timedelta(days=3))
    for entity in range(draw(st.integers(0, 5))):
        schema_id = draw(st.integers(0, spec.schema_id))
        schema = spec.all_schemas[schema_id]
        at = NOW - timedelta(days=draw(st.integers(0, 5)))  # fresh, STALE, or below the floor
        values = tuple(draw(st.none() | VALUES[each.dtype]) for each in schema)
        row = RowCodec(schema, schema_id).encode(Row(to_microseconds(at), 1, 60, values))
        memory[publisher.key(spec, (entity,))] = row
    names = [feature.name for feature in spec.features]
    asked = draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
    return memory, [f"{spec.name}:{name}" for name in asked], draw(st.lists(st.integers(0, 6)))


@given(published(), st.sampled_from([None, timedelta(days=1)]), st.sampled_from(["null", "keep"]))
@examples(max_examples=150)
def test_projected_is_everything_decoded_and_then_selected(
    case: tuple[Memory, list[str], list[int]], max_age: timedelta | None, stale: str
) -> None:
    memory, features, entities = case
    answering, conversation = handler(), Conversation("here")

    whole, projected = (
        converse(
            conversation.look_up(
                Question.of(
                    features,
                    None,
                    entities={"household_id": np.array(entities, np.int64)},
                    max_age=max_age,
                    stale=stale,  # type: ignore[arg-type]  # one of the literals
                    project=project,
                )
            ),
            answering,
            memory,
        )
        for project in (False, True)
    )

    assert said(projected) == said(whole)
