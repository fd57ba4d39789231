"""Callers of a soak: mixed lookups at a steady rate, every answer judged on the spot."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from multiprocessing.synchronize import Event
from typing import TYPE_CHECKING

import grpc

from headrace.contract.proto.headrace.v1 import feature_service_pb2 as pb
from headrace.contract.proto.headrace.v1.raw_rows_pb2 import RawOnlineFeatures, RawStreamReply
from headrace.serving.transports.methods import SERVICE as METHODS
from headrace.tests.soak.model import (
    ENTITIES,
    PROFILE,
    SERVICE,
    SPEND_1,
    SPEND_2,
    VISITS,
    Board,
    Feed,
    Known,
    Model,
)

if TYPE_CHECKING:
    from multiprocessing.queues import Queue

CALLERS = 4
_STREAMED = 16
_DEADLINE_SECONDS = 20
_MAX_AGE = timedelta(days=2)
_LIVE = (SPEND_1, SPEND_2)
_OPTIONS = [
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
]


@dataclass
class Outcome:
    """What callers saw.

    Attributes:
        refusals: When a refused call began and ended (monotonic seconds), and its status.
        wrong: The first answers that were wrong, as text.
    """

    answered: Counter[str] = field(default_factory=Counter)
    refusals: list[tuple[float, float, str]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Lookup:
    """One request; `None` as a feed stands for whichever version of `household_spend` is live."""

    kind: str
    feeds: tuple[Feed | None, ...]
    asked: Sequence[int]
    request: pb.GetOnlineFeaturesRequest
    max_age: timedelta | None = None


def drawn(chance: random.Random, known: Known) -> Lookup:
    """Any lookup that can be answered by what is known."""
    kinds = ["one", "one", "many", "groups", "service", "visits", "unknown", "max_age"]
    if known.steps[SPEND_2.place] >= 0:
        kinds.append("pinned")
    kind = chance.choice(kinds)
    count = 100 if kind == "many" else chance.choice((1, 1, 1, 10))
    asked = [chance.randrange(ENTITIES) for _ in range(count)]
    feeds: tuple[Feed | None, ...] = (None,)
    if kind in {"groups", "service"}:
        feeds = (SPEND_1, PROFILE)
    elif kind in {"visits", "pinned", "max_age"}:
        feeds = ({"visits": VISITS, "pinned": SPEND_2, "max_age": PROFILE}[kind],)
    elif kind == "unknown":
        asked = [*asked, ENTITIES + chance.randrange(10**6)]
    max_age = _MAX_AGE if kind == "max_age" else None
    return Lookup(kind, feeds, asked, _request(kind, feeds, asked, max_age), max_age)


def _request(
    kind: str, feeds: Sequence[Feed | None], asked: Sequence[int], max_age: timedelta | None
) -> pb.GetOnlineFeaturesRequest:
    names = ["household_spend" if feed is None else feed.spec.reference for feed in feeds]
    request = pb.GetOnlineFeaturesRequest(features=() if kind == "service" else names)
    if kind == "service":
        request.feature_service = SERVICE
    if max_age is not None:
        request.max_age.FromTimedelta(max_age)
    shape = feeds[0] or SPEND_1
    columns = zip(*map(shape.keys, asked), strict=True)
    for key, values in zip(shape.spec.entity.join_keys, columns, strict=True):
        column = request.entities.add(join_key=key.name)
        if isinstance(values[0], str):
            column.string_values.values.extend(values)
        else:
            column.int64_values.values.extend(values)
    return request


class Caller:
    """One connection, and one lookup (or one stream of some) after the other on it."""

    def __init__(self, model: Model, number: int, outcome: Outcome) -> None:
        """Begin; the first of the callers uses streams."""
        self._model, self._outcome = model, outcome
        self._chance = random.Random(number)  # noqa: S311  # to repeat the same
        self._streams = number % CALLERS == 0

    def run(self, address: str, interval: float, over: Event) -> None:
        """Call at a steady rate until it is over; what cannot be kept up is left out."""
        with grpc.insecure_channel(address, options=_OPTIONS) as channel:
            call = self._streaming(channel) if self._streams else self._calling(channel)
            due = time.monotonic()
            try:
                while not over.is_set():
                    due = max(due + interval * call(), time.monotonic() - 1)
                    time.sleep(max(0.0, due - time.monotonic()))
            except Exception as error:
                self._outcome.wrong.append(f"a caller ended: {error!r}")
                raise

    def _calling(self, channel: grpc.Channel) -> Callable[[], int]:
        method = channel.unary_unary(
            f"/{METHODS}/GetOnlineFeatures",
            request_serializer=pb.GetOnlineFeaturesRequest.SerializeToString,
            response_deserializer=RawOnlineFeatures.FromString,
        )

        def call() -> int:
            before, began = self._model.finished(), time.monotonic()
            lookup = drawn(self._chance, before)
            try:
                answer = method(lookup.request, timeout=_DEADLINE_SECONDS)
            except grpc.RpcError as error:
                self._refused(began, error.code().name)
            else:
                self._judge(lookup, answer, before)
            return 1

        return call

    def _streaming(self, channel: grpc.Channel) -> Callable[[], int]:
        method = channel.stream_stream(
            f"/{METHODS}/StreamOnlineFeatures",
            request_serializer=pb.StreamOnlineFeaturesRequest.SerializeToString,
            response_deserializer=RawStreamReply.FromString,
        )

        def call() -> int:
            before, began = self._model.finished(), time.monotonic()
            lookups = [drawn(self._chance, before) for _ in range(_STREAMED)]
            due = set(range(_STREAMED))
            try:
                for reply in method(_messages(lookups), timeout=_DEADLINE_SECONDS):
                    due.remove(reply.id)
                    if reply.WhichOneof("outcome") == "error":
                        self._refused(began, _CODES[reply.error.code])
                    else:
                        self._judge(lookups[reply.id], reply.response, before, "streamed ")
            except grpc.RpcError as error:
                for _ in due:
                    self._refused(began, error.code().name)
            else:
                if due:
                    self._outcome.wrong.append(f"a stream ended well without {len(due)} replies")
            return _STREAMED

        return call

    def _refused(self, began: float, status: str) -> None:
        self._outcome.refusals.append((began, time.monotonic(), status))

    def _judge(
        self, lookup: Lookup, answer: RawOnlineFeatures, before: Known, how: str = ""
    ) -> None:
        after = self._model.begun()
        versions = {_LIVE[flips % 2] for flips in range(before.flips, after.flips + 1)}
        is_right = len(answer.groups) == len(lookup.feeds)
        for named, group in zip(lookup.feeds, answer.groups, strict=False):
            possible = versions if named is None else {named}
            answered = f"{group.feature_group}@{group.version}"
            feed = next((each for each in possible if each.spec.reference == answered), None)
            is_right = (
                is_right
                and feed is not None
                and self._model.are_right(
                    feed,
                    lookup.asked,
                    list(group.rows),
                    max_age=lookup.max_age,
                    steps=range(max(0, before.steps[feed.place]), after.steps[feed.place] + 1),
                )
            )
        self._outcome.answered[how + lookup.kind] += 1
        if not is_right and len(self._outcome.wrong) < 10:
            self._outcome.wrong.append(f"{lookup} {before} {after}: {answer}")


_CODES = {code.value[0]: code.name for code in grpc.StatusCode}


def _messages(lookups: Sequence[Lookup]) -> Iterator[pb.StreamOnlineFeaturesRequest]:
    for number, lookup in enumerate(lookups):
        yield pb.StreamOnlineFeaturesRequest(id=number, request=lookup.request)


def load(  # noqa: PLR0917  # a process's target
    address: str, board: Board, rate: float, first: int, over: Event, said: "Queue[Outcome]"
) -> None:
    """A process's work: callers at a rate of all of them together, until it is over."""
    model, outcomes = Model(board), [Outcome() for _ in range(CALLERS)]
    threads = [
        threading.Thread(
            target=Caller(model, first + number, outcome).run,
            args=(address, CALLERS / rate, over),
        )
        for number, outcome in enumerate(outcomes)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    whole = Outcome()
    for outcome in outcomes:
        whole.answered += outcome.answered
        whole.refusals += outcome.refusals
        whole.wrong += outcome.wrong
    said.put(whole)
