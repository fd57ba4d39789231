"""What REST says when it does not answer."""

import http.client
import json
from contextlib import closing
from datetime import timedelta

import pytest

from headrace.contract.errors import HeadraceError
from headrace.serving.rest.problems import MEDIA_TYPE
from headrace.serving.settings import Limits, RestSettings
from headrace.serving.status_codes import HTTP_STATUSES, status_code
from headrace.tests.serving.publishing import Publisher, group
from headrace.tests.serving.rest.asking import (
    LOOKUP,
    Reply,
    ask,
    households,
    rest_served,
    rest_settings,
)
from headrace.tests.serving.running import Gate

pytestmark = pytest.mark.server

ONE = {"household_id": [1]}
ASKED = ["household_spend:spend_30d"]


MALFORMED: list[tuple[object, str]] = [
    (b"", "the body: it is no JSON"),
    (b"\xff", "the body: it is no JSON"),
    (b"[" * 100_000, "the body: it is no JSON"),
    (b"[]", "the body: it is no JSON object"),
    (b'{"features": ["a"], "features": ["b"]}', "a member is given twice"),
    (b'{"max_age_seconds": NaN}', "NaN is not JSON"),
    (b'{"max_age_seconds": ' + b"1" * 5000 + b"}", "the body: it is no JSON"),
    ({}, "neither is given"),
    ({"feature": ASKED, "entities": ONE}, "write features"),
    ({"features": "a", "entities": ONE}, "features: it is no list of texts"),
    ({"features": [1], "entities": ONE}, "features: it is no list of texts"),
    ({"features": ["\ud800"], "entities": ONE}, "features: it is no list of texts"),
    ({"features": ["Not:a:reference"], "entities": ONE}, "no feature reference"),
    ({"features": ASKED, "feature_service": "s", "entities": ONE}, "both are given"),
    ({"feature_service": "\ud800", "entities": ONE}, "feature_service: it is no text"),
    ({"features": ASKED}, "entities: it names no join key"),
    ({"features": ASKED, "entities": {}}, "entities: it names no join key"),
    ({"features": ASKED, "entities": {"household_id": 1}}, "has no list of values"),
    ({"features": ASKED, "entities": {"household_id": ["x"]}}, "expected INT64, got 'x'"),
    ({"features": ASKED, "entities": {"household_id": ["٣"]}}, "expected INT64"),
    ({"features": ASKED, "entities": {"household_id": [True]}}, "expected INT64, got True"),
    ({"features": ASKED, "entities": {"household_id": [0.5]}}, "expected INT64, got 0.5"),
    ({"features": ASKED, "entities": {"household_id": [None]}}, "expected INT64"),
    ({"features": ASKED, "entities": {"household_id": [2**63]}}, "expected INT64"),
    ({"features": ASKED, "entities": {"household": [1]}}, "no join key of what is asked"),
    ({"features": ASKED, "entities": {**ONE, "x": [1]}}, "no join key of what is asked"),
    ({"features": ASKED * 2, "entities": ONE}, "is asked for twice"),
    (households(1, max_age_seconds=-1), "max_age_seconds: -1 is no age"),
    (households(1, max_age_seconds=True), "max_age_seconds: True is no age"),
    (households(1, max_age_seconds=1e300), "max_age_seconds: 1e+300 is no age"),
    (households(1, stale="maybe"), "stale: it is 'maybe'"),
    (households(1, stale=["keep"]), "stale: it is ['keep']"),
]


@pytest.fixture
def spend(publisher: Publisher) -> None:
    publisher.publish(group(), {(1,): (12.5, 3)})


def problem(reply: Reply) -> tuple[int, str, str]:
    """Status, code and detail of a problem document, which says its status twice."""
    assert reply.headers["content-type"] == MEDIA_TYPE
    document = reply.json
    assert document["type"] == "about:blank"
    assert document["status"] == reply.status
    return reply.status, document["code"], document["detail"]


@pytest.mark.usefixtures("spend")
def test_an_unknown_name_is_not_found_with_the_nearest_ones(rest: str) -> None:
    group_reply = ask(rest, "/v1/feature-groups/household_spent")
    lookup_reply = ask(rest, LOOKUP, households(1, features=["household_spend:spend_3d"]))

    assert problem(group_reply) == (
        404,
        "NOT_FOUND",
        "there is no published feature group 'household_spent'; did you mean 'household_spend'?",
    )
    assert group_reply.json["nearest"] == ["household_spend"]
    assert lookup_reply.status == 404
    assert lookup_reply.json["nearest"][0] == "household_spend:spend_30d"


@pytest.mark.usefixtures("spend")
def test_a_malformed_lookup_is_told_what_is_wrong(rest: str) -> None:
    told = [(said, problem(ask(rest, LOOKUP, body))) for body, said in MALFORMED]

    assert {reply[:2] for _, reply in told} == {(400, "INVALID_ARGUMENT")}
    assert [(said, detail) for said, (_, _, detail) in told if said not in detail] == []


def test_an_infinite_age_is_refused(rest: str) -> None:
    body = b'{"features": ["a"], "entities": {"b": [1]}, "max_age_seconds": 1e999}'

    assert "inf is no age" in problem(ask(rest, LOOKUP, body))[2]


@pytest.mark.parametrize(
    ("asked", "status", "allowed"),
    [
        ("GET /v1/nothing", 404, set()),
        ("GET /v1/feature-groups/", 404, set()),
        ("GET /v1/online-features", 405, {"POST"}),
        ("DELETE /v1/feature-groups", 405, {"GET", "HEAD"}),
    ],
)
def test_wrong_paths_and_methods_are_problems_too(
    rest: str, asked: str, status: int, allowed: set[str]
) -> None:
    method, _, path = asked.partition(" ")

    reply = ask(rest, path, method=method)

    assert problem(reply)[0] == status
    assert path in reply.json["detail"]
    assert set(reply.headers.get("allow", "").split(", ")) - {""} == allowed


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_a_body_of_another_type_is_refused(rest: str, media_type: str) -> None:
    reply = ask(rest, LOOKUP, households(1), headers={"content-type": media_type})

    assert problem(reply)[0] == 415


@pytest.mark.usefixtures("spend")
def test_parameters_of_the_media_type_do_not_matter(rest: str) -> None:
    headers = {"content-type": "Application/JSON; charset=utf-8"}

    assert ask(rest, LOOKUP, households(1), headers=headers).status == 200


@pytest.mark.usefixtures("spend")
def test_what_is_too_large_is_refused(valkey_url: str) -> None:
    chosen = rest_settings(
        valkey_url,
        limits=Limits(entities=2, features=3),
        rest=RestSettings(bind="127.0.0.1:0", values=3, body_bytes=1000),
    )
    with rest_served(chosen) as rest:
        body = problem(ask(rest, LOOKUP, b" " * 1001))
        entities = problem(ask(rest, LOOKUP, households(1, 2, 3)))
        features = problem(ask(rest, LOOKUP, households(1, features=ASKED * 4)))
        values = problem(ask(rest, LOOKUP, households(1, 2, features=["household_spend"])))

    assert body == (
        413,
        "INVALID_ARGUMENT",
        "the body has more than 1000 bytes; split the request",
    )
    assert (entities[0], features[0], values[0]) == (400, 400, 400)
    assert entities[2] == "3 entities in one request, at most 2; split the request"
    assert features[2] == "4 features in one request, at most 3; split the request"
    assert values[2].startswith("4 values (entities × features) in one request, at most 3")


def test_a_body_that_does_not_come_is_not_waited_for(valkey_url: str) -> None:
    rest = RestSettings(bind="127.0.0.1:0", body_timeout=timedelta(milliseconds=50))
    with (
        rest_served(rest_settings(valkey_url, rest=rest)) as address,
        closing(http.client.HTTPConnection(address)) as connection,
    ):
        connection.putrequest("POST", LOOKUP)
        connection.putheader("content-type", "application/json")
        connection.putheader("content-length", "10")
        connection.endheaders(b"{")
        response = connection.getresponse()
        document = json.loads(response.read())

    assert (response.status, document["title"]) == (408, "Request Timeout")


def test_without_the_store_a_caller_is_told_to_come_again(tmp_path: object) -> None:
    with rest_served(rest_settings(f"unix://{tmp_path}/nothing.sock")) as rest:
        reply = ask(rest, LOOKUP, households(1))
        ready = ask(rest, "/readyz")
        alive = ask(rest, "/healthz")

    assert problem(reply)[:2] == problem(ready)[:2] == (503, "UNAVAILABLE")
    assert (reply.headers["retry-after"], ready.headers["retry-after"]) == ("1", "1")
    assert "nothing.sock is unavailable" in reply.json["detail"]
    assert alive.status == 200


@pytest.mark.usefixtures("spend")
def test_more_calls_than_can_be_open_are_told_to_come_again(valkey_url: str) -> None:
    """The one that is open waits for the store; health needs neither."""
    with Gate(valkey_url, holds=b"{") as gate:
        chosen = rest_settings(gate.url, rest=RestSettings(bind="127.0.0.1:0", calls=1))
        with rest_served(chosen) as rest, closing(http.client.HTTPConnection(rest)) as held:
            assert ask(rest, LOOKUP, households(1)).status == 200
            gate.open.clear()
            body = json.dumps(households(1))
            held.request("POST", LOOKUP, body, {"content-type": "application/json"})
            gate.holding.wait()

            refused = ask(rest, LOOKUP, households(1))
            alive = ask(rest, "/healthz")
            gate.open.set()
            answered = held.getresponse().status

    assert problem(refused)[:2] == (429, "RESOURCE_EXHAUSTED")
    assert refused.headers["retry-after"] == "1"
    assert (alive.status, answered) == (200, 200)


def test_every_status_of_an_error_has_one_of_http() -> None:
    errors = [HeadraceError]
    for error in errors:
        errors += error.__subclasses__()

    codes = {status_code(error.__new__(error)) for error in errors}

    assert len(codes) > 3
    assert codes <= HTTP_STATUSES.keys()
