"""Requests that no client would send: whatever the bytes, an answer or a refusal that says why."""

import random
import resource
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import grpc
import pytest
import redis

from headrace.contract.errors import HeadraceError
from headrace.contract.feature_group import DType
from headrace.contract.proto.headrace.v1 import feature_service_pb2 as pb
from headrace.serving.handler import Handler
from headrace.serving.status_codes import status_of
from headrace.serving.streaming import error_reply, legible_id, read_message
from headrace.serving.transports.methods import SERVICE, unary_methods
from headrace.tests.serving.answering import handler, read, request
from headrace.tests.serving.publishing import NOW, VISIT, Memory, Publisher, Store, group
from headrace.tests.serving.running import server_process
from headrace.tests.serving.transports.calling import SPEND, message, method

pytestmark = pytest.mark.server

_REFUSALS = {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND}
_INTERESTING = (b"", b"\x00", b"\xff", b"\x80" * 10, b"\x7f", b"\xff" * 9 + b"\x01", b"\x0a\x00")


def published(store: Store) -> None:
    """Two groups, one of a composite entity, and a feature service."""
    publisher = Publisher(store, "default")
    publisher.publish(group(), {(1,): (12.5, 3)})
    publisher.publish(
        group("visits", entity=VISIT, features={"last": DType.FLOAT64}), {(1, "a"): (1.0,)}
    )
    publisher.register_service("coupons", [SPEND, "visits:last"])


def seeds() -> list[bytes]:
    """Requests of every method, as clients send them."""
    service = pb.GetOnlineFeaturesRequest(
        feature_service="coupons",
        entities=[
            pb.EntityColumn(join_key="household_id", int64_values={"values": [1, 2**62, -1]}),
            pb.EntityColumn(join_key="store_id", string_values={"values": ["a", "é", ""]}),
        ],
    )
    service.max_age.FromSeconds(3600)
    return [
        request([SPEND]),
        request(["household_spend@1", "visits:last"], household_id=[1], store_id=["a"]),
        service.SerializeToString(),
        pb.GetContractRequest(feature_groups=["household_spend@1", "visits"]).SerializeToString(),
        pb.GetContractRequest(feature_service="coupons").SerializeToString(),
        message(2**63, request([SPEND])).SerializeToString(),
    ]


def mutated(chance: random.Random, raw: bytes) -> bytes:
    """The bytes after some accidents."""
    changed = bytearray(raw)
    for _ in range(chance.choice((1, 1, 1, 2, 4, 16))):
        at = chance.randrange(len(changed) + 1)
        match chance.randrange(6):
            case 0 if changed:
                changed[at % len(changed)] ^= 1 << chance.randrange(8)
            case 1:
                changed[at:at] = chance.choice(_INTERESTING)
            case 2:
                del changed[at : at + chance.randrange(1, 8)]
            case 3:
                changed[at:at] = changed[: chance.randrange(1, 32)]
            case 4 if changed:
                changed[at % len(changed)] = chance.randrange(256)
            case _:
                changed[at:] = chance.randbytes(chance.randrange(4))
    return bytes(changed)


def accidents(count: int, seed: int) -> Iterator[bytes]:
    """Mutated requests; the same ones for the same seed."""
    chance, known = random.Random(seed), seeds()  # noqa: S311  # no secret
    for _ in range(count):
        yield mutated(chance, chance.choice(known))


def stream_answer(answering: Handler, raw: bytes, memory: Memory) -> bytes:
    """What a stream replies to a message."""
    try:
        asked = read_message(raw)
    except HeadraceError as error:
        code, text = status_of(error)
        return error_reply(legible_id(raw), code.value[0], text)
    return read(answering.answer(asked.request), memory)


def outcome(answering: Handler, name: str, raw: bytes, memory: Memory) -> str:
    """How a request ended; anything that is no refusal is raised."""
    try:
        if name == "StreamOnlineFeatures":
            stream_answer(answering, raw, memory)
        else:
            pb_answer = read(unary_methods(answering)[name](raw), memory)
            assert isinstance(pb_answer, bytes)
    except HeadraceError as error:
        code, text = status_of(error)
        assert code in _REFUSALS, (raw, text)
        assert text
        return code.name
    return "OK"


def fuzz(count: int, seed: int) -> Counter[tuple[str, str]]:
    """How so many mutated requests ended, by method."""
    memory = Memory()
    published(memory)
    answering = handler()
    names = (*unary_methods(answering), "StreamOnlineFeatures")
    ended: Counter[tuple[str, str]] = Counter()
    for number, raw in enumerate(accidents(count, seed)):
        name = names[number % len(names)]
        ended[name, outcome(answering, name, raw, memory)] += 1
    return ended


def test_a_mutated_request_is_answered_or_refused() -> None:
    ended = fuzz(10_000, seed=1)

    assert ended.total() == 10_000
    for name in ("GetOnlineFeatures", "GetContract", "StreamOnlineFeatures"):
        for status in ("OK", "INVALID_ARGUMENT", "NOT_FOUND"):
            if (name, status) != ("StreamOnlineFeatures", "INVALID_ARGUMENT"):
                assert ended[name, status], (name, status)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_million_mutated_requests_are_answered_or_refused_and_memory_stays() -> None:
    fuzz(100_000, seed=2)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    ended = fuzz(1_000_000, seed=3)

    assert ended.total() == 1_000_000
    grown_megabytes = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown_megabytes < 50


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("transport", ["lean", "aio"])
def test_ten_thousand_mutated_requests_over_sockets_never_end_in_internal_or_unknown(
    valkey_url: str, store: redis.Redis, tmp_path: Path, transport: str
) -> None:
    published(store)
    variables = {
        "HEADRACE_REDIS": valkey_url,
        "HEADRACE_HOME": str(tmp_path),
        "HEADRACE_CLOCK": NOW.isoformat(),
    }
    ended: Counter[str] = Counter()
    with ExitStack() as stack:
        server = stack.enter_context(
            server_process("127.0.0.1:0", "--transport", transport, **variables)
        )
        channel = stack.enter_context(grpc.insecure_channel(server.address))
        names = ("GetOnlineFeatures", "GetContract", "ListFeatureGroups")
        for number, raw in enumerate(accidents(7_500, seed=4)):
            call = method(channel, names[number % 3])
            try:
                call(raw, timeout=30)
                ended["OK"] += 1
            except grpc.RpcError as error:
                ended[error.code().name] += 1
        streaming = channel.stream_stream(
            f"/{SERVICE}/StreamOnlineFeatures",
            request_serializer=bytes,
            response_deserializer=pb.StreamOnlineFeaturesResponse.FromString,
        )
        for reply in streaming(accidents(2_500, seed=5), timeout=300):
            code = reply.error.code
            ended[next(one.name for one in grpc.StatusCode if one.value[0] == code)] += 1
        answered = method(channel)(request([SPEND]), timeout=30)
        is_running = server.process.poll() is None

    assert ended.total() == 10_000
    assert ended.keys() == {"OK", "INVALID_ARGUMENT", "NOT_FOUND"}
    assert answered
    assert is_running
