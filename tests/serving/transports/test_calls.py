"""Unary calls, the same by every transport, in plaintext and over mutual TLS."""

from datetime import timedelta
from pathlib import Path

import grpc
import pytest

from headrace.contract.clock import Clock
from headrace.contract.errors import InvalidArgumentError, PortTakenError
from headrace.contract.proto.headrace.v1 import feature_service_pb2 as pb
from headrace.serving.settings import Limits, RateLimits
from headrace.tests.serving.answering import request
from headrace.tests.serving.publishing import NOW, Publisher, group
from headrace.tests.serving.running import served, settings
from headrace.tests.serving.transports.calling import (
    SPEND,
    Counting,
    failure,
    health,
    message,
    method,
    stream,
    wait_until,
)
from headrace.tests.serving.transports.conftest import Place

pytestmark = pytest.mark.server

ROWS = b"{"  # every row's key begins with it, and no other key


def test_bytes_go_in_and_the_stored_row_comes_out(
    publisher: Publisher, channel: grpc.Channel
) -> None:
    stored = publisher.publish(group(), {(1,): (12.5, 3)})[1,]

    assert stored in method(channel)(request([SPEND]), timeout=10)
    assert stored in method(channel)(request([SPEND]))  # without a deadline, too


@pytest.mark.usefixtures("spend")
def test_contracts_and_groups_are_listed(channel: grpc.Channel) -> None:
    contract = pb.GetContractResponse.FromString(method(channel, "GetContract")(b"", timeout=10))
    listed = pb.ListFeatureGroupsResponse.FromString(
        method(channel, "ListFeatureGroups")(b"", timeout=10)
    )

    assert [group.name for group in contract.feature_groups] == ["household_spend"]
    assert [group.name for group in listed.feature_groups] == ["household_spend"]


MALFORMED = (
    "request: these bytes are no headrace.v1.{}Request;"
    " generate the client from the published feature_service.proto"
)
REFUSED = [
    (
        "GetOnlineFeatures",
        request(["household_spnd"]),
        (
            grpc.StatusCode.NOT_FOUND,
            "there is no published feature group 'household_spnd'; did you mean 'household_spend'?",
        ),
    ),
    (
        "GetOnlineFeatures",
        request([SPEND], nobdy=[1]),
        (
            grpc.StatusCode.INVALID_ARGUMENT,
            "entities: 'nobdy' is no join key of what is asked for; the join keys are household_id",
        ),
    ),
    *(
        (
            name,
            b"\xff",
            (
                grpc.StatusCode.INVALID_ARGUMENT,
                MALFORMED.format(name),
            ),
        )
        for name in ("GetOnlineFeatures", "GetContract", "ListFeatureGroups")
    ),
]


@pytest.mark.usefixtures("spend")
@pytest.mark.parametrize(("name", "raw", "ending"), REFUSED)
def test_errors_become_statuses_that_say_what_to_do(
    channel: grpc.Channel, name: str, raw: bytes, ending: tuple[grpc.StatusCode, str]
) -> None:
    assert failure(channel, raw, name) == ending


def test_a_method_that_is_none_is_unimplemented(channel: grpc.Channel) -> None:
    assert failure(channel, b"", "GetNothing")[0] is grpc.StatusCode.UNIMPLEMENTED


def test_a_failure_of_ours_tells_a_stranger_nothing_but_its_type(
    publisher: Publisher, valkey_url: str, place: Place
) -> None:
    publisher.publish(group(), {(1,): (12.5, 3)})
    broken = settings(valkey_url, tls=place.tls, clock=lambda: Clock(NOW.replace(tzinfo=None)))

    with (
        served(broken, place.transport) as address,
        place.channel(address) as channel,
    ):
        assert failure(channel, request([SPEND])) == (grpc.StatusCode.INTERNAL, "ValueError")
        assert health(channel)


def test_an_error_about_a_very_long_name_still_reaches_the_caller(channel: grpc.Channel) -> None:
    code, text = failure(channel, request(["é" * 100_000]))

    assert code in {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND}
    assert 0 < len(text) < 2_000


def test_a_message_over_the_limit_is_refused_and_the_next_one_answered(
    publisher: Publisher, valkey_url: str, place: Place
) -> None:
    publisher.publish(group(), {(1,): (12.5, 3)})
    small = settings(valkey_url, tls=place.tls, limits=Limits(message_bytes=10_000))
    with served(small, place.transport) as address, place.channel(address) as channel:
        code, _ = failure(channel, bytes(10_001))
        just_under = request([SPEND], household_id=[1] * 9_000)
        answered = method(channel)(just_under, timeout=10)

    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert 9_000 < len(just_under) <= 10_000
    assert answered


def test_a_call_whose_deadline_passes_ends_then_and_its_rows_are_never_read(
    publisher: Publisher, valkey_url: str, place: Place
) -> None:
    publisher.publish(group(), {(1,): (12.5, 3)})
    counting = Counting()
    with place.behind_a_gate(
        valkey_url,
        holds=b"",
        store={"flights": 1},
        observer=counting,
        refresh_every=timedelta(hours=1),
    ) as (gate, channel):
        before = counting.keys
        gate.open.clear()
        held = method(channel).future(request([SPEND]), timeout=20)
        gate.holding.wait()
        late, _ = failure(channel, request([SPEND], household_id=[1, 2, 3]), timeout=0.2)
        wait_until(counting.ended.total)
        gate.open.set()
        answered = held.result()
        read = counting.keys - before

    assert late is grpc.StatusCode.DEADLINE_EXCEEDED
    assert answered
    assert read == 2  # the one row of the call that was held, and its guard


def test_a_cancelled_call_is_noticed_while_the_store_is_silent(
    publisher: Publisher, valkey_url: str, place: Place
) -> None:
    publisher.publish(group(), {(1,): (12.5, 3)})
    counting = Counting()
    with place.behind_a_gate(valkey_url, observer=counting) as (gate, channel):
        gate.open.clear()
        held = method(channel).future(request([SPEND]), timeout=20)
        gate.holding.wait()
        held.cancel()
        wait_until(lambda: counting.ended["GetOnlineFeatures", "CANCELLED"])
        gate.open.set()
        answered = method(channel)(request([SPEND]), timeout=20)

    assert answered
    assert counting.ended == {
        ("GetOnlineFeatures", "CANCELLED"): 1,
        ("GetOnlineFeatures", "OK"): 1,
    }


def test_a_call_over_the_limit_is_refused_at_once_and_the_open_one_answered(
    publisher: Publisher, valkey_url: str, place: Place
) -> None:
    publisher.publish(group(), {(1,): (12.5, 3)})
    with place.behind_a_gate(valkey_url, holds=b"", limits=Limits(calls=1)) as (gate, channel):
        gate.open.clear()
        held = method(channel).future(request([SPEND]), timeout=10)
        gate.holding.wait()
        refused = failure(channel, request([SPEND]))
        checked = health(channel)
        gate.open.set()
        answered = held.result()

    assert refused == (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "this server: the limit of 1 open calls is reached; try again later",
    )
    assert checked
    assert answered


@pytest.mark.usefixtures("spend")
def test_a_caller_over_its_rate_is_refused_and_others_are_not(
    valkey_url: str, place: Place
) -> None:
    """Over mutual TLS the certificate says who calls, whatever the metadata say."""
    counting = Counting()
    slow = RateLimits(callers={"ranking.example": 0.001, "*": 1_000_000})
    chosen = settings(valkey_url, tls=place.tls, rates=slow)
    with served(chosen, place.transport, counting) as address, place.channel(address) as channel:
        named = (("headrace-caller", "ranking.example"),)
        method(channel)(request([SPEND]), timeout=10, metadata=named)
        with pytest.raises(grpc.RpcError) as refused:
            method(channel)(request([SPEND]), timeout=10, metadata=named)
        streamed = list(stream(channel)(iter([message(7, request([SPEND]))]), metadata=named))
        another = method(channel).with_call
        other_name = (("headrace-caller", "fraud.example"),)
        if place.tls is None:
            assert another(request([SPEND]), timeout=10, metadata=other_name)
        else:
            with pytest.raises(grpc.RpcError):
                another(request([SPEND]), timeout=10, metadata=other_name)

    text = "caller 'ranking.example': the limit of 0.001 calls a second is reached; try again later"
    assert (refused.value.code(), refused.value.details()) == (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        text,
    )
    assert [(reply.id, reply.error.code, reply.error.message) for reply in streamed] == [
        (7, grpc.StatusCode.RESOURCE_EXHAUSTED.value[0], text)
    ]
    of_calls = 1 if place.tls is None else 2
    assert counting.ended["GetOnlineFeatures", "RESOURCE_EXHAUSTED"] == of_calls
    assert counting.ended["StreamOnlineFeatures", "RESOURCE_EXHAUSTED"] == 1


@pytest.mark.usefixtures("spend")
def test_a_feature_group_over_its_rate_is_named(valkey_url: str, place: Place) -> None:
    slow = RateLimits(groups={"household_spend": 0.001})
    chosen = settings(valkey_url, tls=place.tls, rates=slow)
    with served(chosen, place.transport) as address, place.channel(address) as channel:
        method(channel)(request([SPEND]), timeout=10)
        refused = failure(channel, request([SPEND]))
        contracts = method(channel, "GetContract")(b"", timeout=10)

    text = "feature group 'household_spend': the limit of 0.001 rows a second is reached"
    assert refused == (grpc.StatusCode.RESOURCE_EXHAUSTED, f"{text}; try again later")
    assert contracts


def test_a_port_that_is_taken_is_named(server: str, valkey_url: str, place: Place) -> None:
    with (
        pytest.raises(PortTakenError, match=f"{server} is in use"),
        served(settings(valkey_url, bind=server), place.transport),
    ):
        pass


@pytest.mark.parametrize("bind", ["127.0.0.1", "nowhere.invalid:0", "127.0.0.1:99999999"])
def test_an_address_that_is_none_is_refused(valkey_url: str, transport: str, bind: str) -> None:
    with (
        pytest.raises(InvalidArgumentError, match="--bind"),
        served(settings(valkey_url, bind=bind), transport),
    ):
        pass


def test_a_socket_on_which_a_server_listens_is_not_taken_from_it(
    valkey_url: str, transport: str, tmp_path: Path
) -> None:
    """GRPC itself would remove it, and put its own there."""
    chosen = settings(valkey_url, bind=f"unix:{tmp_path}/features.sock")
    with served(chosen, transport) as address, grpc.insecure_channel(address) as channel:
        with pytest.raises(PortTakenError, match=r"features\.sock is in use"), served(chosen):
            pass
        answered = health(channel)

    assert answered
    with served(chosen, transport):
        pass  # what was left behind is nobody's


def test_a_socket_in_a_folder_that_is_not_there_is_refused(
    valkey_url: str, transport: str, tmp_path: Path
) -> None:
    with (
        pytest.raises(InvalidArgumentError, match="there is no folder"),
        served(settings(valkey_url, bind=f"unix:{tmp_path}/nowhere/x.sock"), transport),
    ):
        pass
