"""Many lookups over one call: what was asked and is not yet handed over, in the caller's order.

Nothing here sends or waits: both clients' streams drive a `Window`. Every request only reads, so
that all that is unanswered is asked again when a call breaks off.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from math import inf

import grpc

from ..contract.errors import HeadraceError, ServerError
from ..contract.proto.headrace.v1 import feature_service_pb2 as pb
from ..contract.proto.headrace.v1.raw_rows_pb2 import RawStreamReply
from .conversation import Prepared
from .online_features import OnlineFeatures

_MOST = 16  # as many as the server has in hand at once

CODES = {code.value[0]: code for code in grpc.StatusCode}


@dataclass(frozen=True, slots=True)
class StreamedAnswer:
    """One outcome of a stream.

    Attributes:
        place: Which of the entity batches it answers, from 0; outcomes come in this order.
        error: Why there is no answer; the stream goes on.
    """

    place: int
    answer: OnlineFeatures | None
    error: HeadraceError | None

    def result(self) -> OnlineFeatures:
        """The answer.

        Raises:
            HeadraceError: There is none.
        """
        if self.answer is None:
            raise self.error or RuntimeError("an outcome is an answer or an error")
        return self.answer


class Window:
    """Requests under way on one stream."""

    def __init__(self, timeout: float) -> None:
        """Begin empty; `timeout` is how long a reply may be waited for, in seconds."""
        self._timeout, self._waiting_since = timeout, inf
        self._asked: dict[int, Prepared] = {}
        self._outcomes: dict[int, StreamedAnswer] = {}
        self._next = self._handed_over = 0

    @property
    def is_full(self) -> bool:
        """Whether outcomes are to be waited for before more is asked."""
        return self._next - self._handed_over >= _MOST

    @property
    def is_waiting(self) -> bool:
        """Whether a reply is due."""
        return bool(self._asked)

    def ask(self, prepared: Prepared) -> pb.StreamOnlineFeaturesRequest:
        """The message that asks the next batch."""
        place, self._next = self._next, self._next + 1
        self._asked[place] = prepared
        return _message(place, prepared)

    def refuse(self, error: HeadraceError) -> None:
        """The next batch cannot even be asked."""
        self._outcomes[self._next] = StreamedAnswer(self._next, None, error)
        self._next += 1

    def unanswered(self) -> Iterable[pb.StreamOnlineFeaturesRequest]:
        """The messages that ask again what is unanswered."""
        return [_message(place, prepared) for place, prepared in self._asked.items()]

    def again(self, reply: RawStreamReply) -> pb.StreamOnlineFeaturesRequest:
        """The message that asks again what a reply did not answer."""
        return _message(reply.id - 1, self.asked(reply))

    def asked(self, reply: RawStreamReply) -> Prepared:
        """What a reply, which is here now, is the answer to.

        Raises:
            ServerError: To nothing.
        """
        self._waiting_since = inf
        prepared = self._asked.get(reply.id - 1)
        if prepared is None:
            reason = f"a reply names request {reply.id}, which was not made: {reply.error.message}"
            raise ServerError(server="the other end of a stream", code="INTERNAL", reason=reason)
        return prepared

    def settle(self, reply: RawStreamReply, outcome: OnlineFeatures | HeadraceError) -> None:
        """A reply has become an answer or an error."""
        place = reply.id - 1
        del self._asked[place]
        if isinstance(outcome, HeadraceError):
            self._outcomes[place] = StreamedAnswer(place, None, outcome)
        else:
            self._outcomes[place] = StreamedAnswer(place, outcome, None)

    def ready(self) -> Iterable[StreamedAnswer]:
        """Outcomes whose turn it is, each once."""
        while (outcome := self._outcomes.pop(self._handed_over, None)) is not None:
            self._handed_over += 1
            yield outcome

    def wait(self) -> None:
        """A reply is waited for from now on, unless it has been already."""
        self._waiting_since = min(self._waiting_since, time.monotonic())

    def seconds_left(self) -> float:
        """How long the reply that is waited for may still take; a call lasts no longer."""
        return self._timeout - max(0.0, time.monotonic() - self._waiting_since)


def _message(place: int, prepared: Prepared) -> pb.StreamOnlineFeaturesRequest:
    # 0 would be the id of a request that could not be read.
    return pb.StreamOnlineFeaturesRequest(id=place + 1, request=prepared.request)
