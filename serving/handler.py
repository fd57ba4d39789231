"""What the server answers: bytes in, bytes out, and no input or output of its own.

Every method is a `Reading`, so that any transport can run it, and many of them at once, over one
connection to the store. The snapshot is replaced as a whole; an answer is made of one snapshot.
"""

import time
from collections.abc import Callable, Iterable
from typing import TypeVar

from google.protobuf.message import DecodeError

from ..contract.clock import Clock
from ..contract.errors import CatalogueError, InvalidArgumentError, UnknownNameError
from ..contract.proto.headrace.v1 import feature_service_pb2 as pb
from ..contract.references import parse_reference
from ..contract.rows import to_microseconds
from .admission import Admission
from .catalogue_reading import load
from .contracts import ServedGroup, ServedService, Snapshot
from .lookup import Answer, Lookup
from .observing import UNOBSERVED, Observer
from .plans import Plans
from .query import Query, checked_query, malformed, parse_query
from .reading import Reading, Values
from .settings import Limits, RateLimits

_Result = TypeVar("_Result")


class Handler:
    """Answers requests from a snapshot of the catalogue and from what the store holds.

    Attributes:
        snapshot: The catalogue in force; `None` until it was read once.
        admission: Who may ask how often.
        clock: By which ages are judged.
        plans: How requests of the plain form are answered.
        refreshed_at: When the catalogue was last read, in seconds of the monotonic clock.
    """

    def __init__(
        self,
        namespace: str,
        limits: Limits,
        clock: Clock,
        *,
        admission: Admission | None = None,
        observer: Observer = UNOBSERVED,
    ) -> None:
        """Begin without a catalogue; the first request reads it if no `refresh` did."""
        self._namespace, self._limits, self._observer = namespace, limits, observer
        self.admission = admission or Admission(RateLimits())
        self.clock = clock
        self.snapshot: Snapshot | None = None
        self.refreshed_at: float | None = None
        self.plans = Plans()

    def refresh(self) -> Reading[Snapshot]:
        """Read the catalogue again; the snapshot that is then in force.

        Raises:
            CatalogueError: It cannot be read; the snapshot in force stays.
        """
        before = self.snapshot
        loaded = yield from load(self._namespace, before)
        # Another refresh may have finished meanwhile, with a newer catalogue than this one's.
        if self.snapshot is None or self.snapshot is before:
            self.snapshot = loaded
        self.refreshed_at = time.monotonic()
        return self.snapshot

    def get_online_features(self, raw: bytes) -> Reading[bytes]:
        """Answer a serialized `GetOnlineFeaturesRequest`.

        Raises:
            RequestError: The request cannot be answered as asked.
            LimitReachedError: More is asked of a group than may be.
            CatalogueError: The catalogue was never read and cannot be.
        """
        plans = self.plans
        plan = plans.of(raw) if self.snapshot is plans.snapshot else None
        asked = None if plan is None else plan.asked(raw, self._limits)
        if plan is None or asked is None:
            query = parse_query(raw, self._limits)
            body = yield from self._look_up(query)
            self._learn(raw, query)
            return body
        if self.admission.asks_for_groups:
            self.admission.admit_rows(plan.groups, asked.entity_count)
        values = yield asked.keys
        answer = plan.answer(asked, values, self._now_us())
        if answer.doubtful or len(answer.body) > self._limits.message_bytes:
            query = parse_query(raw, self._limits)
            return (yield from self._look_up(query, (plans.snapshot, values)))
        return self._told(answer)

    def _learn(self, raw: bytes, query: Query) -> None:
        if self.plans.snapshot is not self.snapshot:
            self.plans = Plans(self.snapshot)
        self.plans.learn(raw, query)

    def answer(self, request: pb.GetOnlineFeaturesRequest) -> Reading[bytes]:
        """Answer a message of a stream, as `get_online_features` answers a call.

        Raises:
            RequestError: The request cannot be answered as asked.
            LimitReachedError: More is asked of a group than may be.
            CatalogueError: The catalogue was never read and cannot be.
        """
        return (yield from self._look_up(checked_query(request, self._limits)))

    def _look_up(
        self, query: Query, read: tuple[Snapshot | None, Values] | None = None
    ) -> Reading[bytes]:
        """Answer a query; `read` is what was read for it already, and of which catalogue."""

        def plan(snapshot: Snapshot) -> Lookup:
            return Lookup(query, snapshot.select(query.features, query.service), self._limits)

        snapshot, lookup = yield from self._resolve(plan)
        if self.admission.asks_for_groups and read is None:
            groups = [group.spec.name for group in lookup.selection.groups]
            self.admission.admit_rows(groups, query.entity_count)
        is_read = read is not None and read[0] is snapshot
        values = read[1] if read is not None and is_read else (yield lookup.keys)
        answer = lookup.answer(values, self._now_us())
        if answer.doubtful:
            newer = yield from self._newer(snapshot)
            if newer is not None:
                lookup = plan(newer)
                values = yield lookup.keys
                answer = lookup.answer(values, self._now_us())
        return self._told(answer)

    def _told(self, answer: Answer) -> bytes:
        for tally in answer.tallies:
            self._observer.rows(tally)
        return answer.body

    def get_contract(self, raw: bytes) -> Reading[bytes]:
        """Answer a serialized `GetContractRequest`; groups come in the order asked, else by name.

        Raises:
            RequestError: The request cannot be answered as asked.
            CatalogueError: The catalogue was never read and cannot be.
        """
        try:
            request = pb.GetContractRequest.FromString(raw)
        except DecodeError as error:
            raise malformed("GetContractRequest") from error
        if request.feature_groups and request.feature_service:
            raise InvalidArgumentError(
                argument="feature_groups and feature_service",
                problem="both are given",
                remedy="set one, or neither for everything live",
            )
        _, body = yield from self._resolve(lambda snapshot: _contract_body(snapshot, request))
        return body

    def list_feature_groups(self, raw: bytes) -> Reading[bytes]:
        """Answer a serialized `ListFeatureGroupsRequest`: all versions, by name and version.

        Raises:
            InvalidArgumentError: The bytes are no such request.
            CatalogueError: The catalogue was never read and cannot be.
        """
        try:
            pb.ListFeatureGroupsRequest.FromString(raw)
        except DecodeError as error:
            raise malformed("ListFeatureGroupsRequest") from error
        _, body = yield from self._resolve(lambda snapshot: snapshot.summaries)
        return body

    def _resolve(self, attempt: Callable[[Snapshot], _Result]) -> Reading[tuple[Snapshot, _Result]]:
        """What an attempt makes of the snapshot; a name that is not in it may be in a newer one."""
        snapshot = self.snapshot or (yield from self.refresh())
        try:
            return snapshot, attempt(snapshot)
        except UnknownNameError:
            newer = yield from self._newer(snapshot)
            if newer is None:
                raise
        return newer, attempt(newer)

    def _newer(self, snapshot: Snapshot) -> Reading[Snapshot | None]:
        """A snapshot that replaced this one, or `None` when it still holds."""
        if self.snapshot is snapshot:
            try:
                yield from self.refresh()
            except CatalogueError:
                return None
        return None if self.snapshot is snapshot else self.snapshot

    def _now_us(self) -> int:
        frozen_at = self.clock.frozen_at
        return time.time_ns() // 1000 if frozen_at is None else to_microseconds(frozen_at)


def _contract_body(snapshot: Snapshot, request: pb.GetContractRequest) -> bytes:
    if request.feature_service:
        service = snapshot.service(request.feature_service)
        selection = snapshot.select((), request.feature_service)
        framed: Iterable[ServedService | ServedGroup] = (service, *selection.groups)
    elif request.feature_groups:
        framed = [_named(snapshot, name) for name in request.feature_groups]
    else:
        return snapshot.contracts
    return b"".join(each.framed_contract for each in framed)


def _named(snapshot: Snapshot, text: str) -> ServedGroup:
    reference = parse_reference(text)
    if reference.feature is not None:
        raise InvalidArgumentError(
            argument="feature_groups",
            problem=f"{text!r} names a feature",
            remedy=f"name its group alone: {text.partition(':')[0]!r}",
        )
    return snapshot.group(reference.group, reference.version)
