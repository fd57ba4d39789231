"""The feature server on grpcio's completion queue: one thread, a fraction of the cost of a call.

The loop takes what arrived at the queue, submits it to the store's engine, which reads for all of
it at once, and gives the engine its turn. Nothing here waits for the store alone or for the queue
alone while there is something to do for the other.
"""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import grpc

from ...contract.errors import (
    CatalogueError,
    HeadraceError,
    LimitReachedError,
    StoreUnavailableError,
)
from ..admission import Admission, caller_name
from ..contracts import Snapshot
from ..handler import Handler
from ..health import SERVICE as HEALTH_SERVICE
from ..health import Health
from ..observing import UNOBSERVED, Observer
from ..reading import Reading
from ..settings import Settings
from ..status_codes import status_of
from ..store.engine import Engine
from ..tls import server_credentials
from .abandoned import AbandonedCalls
from .addresses import UNIX, check_address, taken
from .channel_arguments import channel_arguments, open_at_most
from .completion_queue import peer_identities
from .lean_calls import Answer, Shared, UnaryCall, refuse
from .lean_loop import Accepted, LeanLoop
from .lean_services import FeatureStream, Reflecting, Watch
from .methods import REFLECTION_SERVICES, SERVICE, unary_methods
from .reflection import Reflection

if TYPE_CHECKING:
    from ..tracing import Tracing

_LOG = logging.getLogger("headrace.serving")

_REQUESTS = 512
_STORE_TURN_SECONDS = 0.0005
_STORE_LOOK_SECONDS = 0.001
_SWEEP_SECONDS = 0.05
_CHECK = f"/{HEALTH_SERVICE}/Check".encode()


class LeanServer:
    """One feature server, run by one thread.

    Attributes:
        handler: Answers; may be asked by other transports of this process, too.
        health: What is said of this server.
        engine: Reads the store for it.
    """

    def __init__(
        self,
        settings: Settings,
        observer: Observer | None = None,
        tracing: "Tracing | None" = None,
    ) -> None:
        """Prepare a server; nothing is bound or connected yet."""
        observer = observer or UNOBSERVED
        self._settings = settings
        limits = settings.limits
        self._admission = Admission(settings.rates)
        self.handler = Handler(
            settings.namespace,
            limits,
            settings.clock(),
            admission=self._admission,
            observer=observer,
        )
        self.health = Health(frozenset({SERVICE}))
        self._loop = LeanLoop(
            channel_arguments(limits, shares_port=settings.shares_port),
            self._accept,
            requests=_REQUESTS,
            limit=open_at_most(limits),
        )
        self.engine = Engine(settings.store, observer)
        self._shared = Shared(
            self._loop, self.engine, observer, AbandonedCalls(limits.abandoned), tracing
        )
        self._is_authenticated = settings.tls is not None and settings.tls.client_ca is not None
        self._is_stopping = False
        self._calls_at_most = limits.calls
        self._look_at = 0.0
        self._trouble = ""
        self._streams: set[FeatureStream] = set()
        self._reflections: set[Reflecting] = set()
        self._watches: set[Watch] = set()
        self._reflection = Reflection()
        self._unary = self._unary_paths()
        self._streaming = self._streaming_paths()
        # Names that a stranger may make up are not counted.
        names = (*unary_methods(self.handler), "StreamOnlineFeatures")
        self._counted_as = {f"/{SERVICE}/{name}".encode(): name for name in names}

    @property
    def open_calls(self) -> int:
        """Calls that are not answered yet, and streams and watches that have not ended."""
        return self._loop.open_calls

    def start(self) -> str:
        """Listen, and read the catalogue if the store answers; the address with its real port.

        Raises:
            PortTakenError: The address is in use.
            InvalidArgumentError: It cannot be listened on for another reason.
        """
        try:
            address = self._listen()
        except Exception:
            self.engine.close()
            raise
        self._loop.turn = self._turn
        self._refresh()
        while self._shared.readings and not self._is_stopping:
            self.engine.poll(_SWEEP_SECONDS)
        self._sweep()
        return address

    def run(self) -> None:
        """Serve until `stop` was called, then drain and close everything; for one thread."""
        try:
            self._loop.run()
        finally:
            self.engine.close()

    def stop(self) -> None:
        """Begin to drain; from any thread, and from a signal's handler."""
        self._is_stopping = True

    def _unary_paths(self) -> dict[bytes, tuple[str | None, Answer]]:
        paths: dict[bytes, tuple[str | None, Answer]] = {
            f"/{SERVICE}/{name}".encode(): (name, answer)
            for name, answer in unary_methods(self.handler).items()
        }
        return {**paths, _CHECK: (None, self._check)}

    def _streaming_paths(self) -> dict[bytes, Callable[[Accepted], None]]:
        reflection = {
            f"/{name}/ServerReflectionInfo".encode(): self._reflect for name in REFLECTION_SERVICES
        }
        return {
            f"/{SERVICE}/StreamOnlineFeatures".encode(): self._stream_features,
            f"/{HEALTH_SERVICE}/Watch".encode(): self._watch,
            **reflection,
        }

    def _turn(self) -> bool:
        if self._is_stopping and not self._loop.is_draining:
            self._drain()
        if self._shared.readings:
            self.engine.poll(_STORE_TURN_SECONDS)
            return True
        # Nobody waits for the store; a connection that broke is seen soon enough.
        now = self._loop.now
        if now >= self._look_at or self.engine.waiting_readings:
            self.engine.poll(0)
            self._look_at = now + _STORE_LOOK_SECONDS
        return False

    def _drain(self) -> None:
        # Watches and streams first: they end by themselves at no time, and would hold the drain up.
        self.health.close()
        for stream in tuple(self._streams):
            stream.drain()
        for reflecting in tuple(self._reflections):
            reflecting.drain()
        self._loop.drain(self._settings.drain.total_seconds())

    def _listen(self) -> str:
        bind, tls = self._settings.bind, self._settings.tls
        credentials: Any = None if tls is None else server_credentials(tls)
        if not self._settings.shares_port:
            check_address(bind)
        port = self._loop.server.add_http2_port(
            bind.encode(),
            credentials and credentials._credentials,  # noqa: SLF001  # as grpc itself passes it on
        )
        if not port:
            raise taken(bind)
        return bind if bind.startswith(UNIX) else f"{bind.rpartition(':')[0]}:{port}"

    def _accept(self, accepted: Accepted) -> None:
        shared = self._shared
        try:
            if shared.abandoned.any_yet:
                shared.abandoned.check(accepted.call)
            unary = self._unary.get(accepted.method)
            if unary is None:
                self._begin_lasting(accepted)
                return
            name, answer = unary
            if name is not None:  # health may be asked for at any time
                self._admit(accepted)
            UnaryCall(shared, accepted, name, answer)
        except LimitReachedError as error:
            counted_as = self._counted_as.get(accepted.method)
            refuse(shared, accepted, *status_of(error), counted_as=counted_as)

    def _begin_lasting(self, accepted: Accepted) -> None:
        streaming = self._streaming.get(accepted.method)
        if streaming is not None:
            streaming(accepted)
            return
        text = f"there is no method {accepted.method[:200].decode('utf-8', 'replace')}"
        refuse(self._shared, accepted, grpc.StatusCode.UNIMPLEMENTED, text)

    def _admit(self, accepted: Accepted) -> None:
        limit = self._calls_at_most
        if self._loop.open_calls > limit:
            lasting = len(self._streams) + len(self._reflections) + len(self._watches)
            if self._loop.open_calls - lasting > limit:
                raise LimitReachedError(subject="this server", limit=f"{limit} open calls")
        self._admit_caller(accepted)

    def _admit_caller(self, accepted: Accepted) -> None:
        if self._admission.asks_for_callers:
            identities = peer_identities(accepted.call) if self._is_authenticated else None
            self._admission.admit_call(caller_name(identities, accepted.metadata))

    def _check(self, raw: bytes) -> Reading[bytes]:
        yield from ()
        return self.health.check(raw)

    def _stream_features(self, accepted: Accepted) -> None:
        limit = self._settings.limits.streams
        if len(self._streams) >= limit:
            raise LimitReachedError(subject="this server", limit=f"{limit} open streams")
        stream = FeatureStream(
            self._shared,
            accepted,
            handler=self.handler,
            admit=lambda: self._admit_caller(accepted),
            closed=self._streams.discard,
        )
        self._streams.add(stream)
        if self._loop.is_draining:
            stream.drain()

    def _watch(self, accepted: Accepted) -> None:
        self._admit_watch()
        self._watches.add(Watch(self._shared, accepted, self.health, self._watches.discard))

    def _reflect(self, accepted: Accepted) -> None:
        self._admit_watch()
        reflecting = Reflecting(self._shared, accepted, self._reflection, self._reflections.discard)
        self._reflections.add(reflecting)
        if self._loop.is_draining:
            reflecting.drain()

    def _admit_watch(self) -> None:
        limit = self._settings.limits.watches
        if len(self._watches) + len(self._reflections) >= limit:
            raise LimitReachedError(
                subject="this server", limit=f"{limit} open watches and reflections"
            )

    def _sweep(self) -> None:
        self._shared.sweep(self._settings.limits.message_wait.total_seconds())
        self._loop.after(_SWEEP_SECONDS, self._sweep)

    def _refresh(self) -> None:
        self._shared.readings += 1
        try:
            self.handler.clock = self._settings.clock()
        except HeadraceError as error:
            self._refreshed(error)
        else:
            self.engine.submit(self.handler.refresh(), self._refreshed)

    def _refreshed(self, result: Snapshot | Exception) -> None:
        self._shared.readings -= 1
        if self._loop.is_draining:
            return
        self._loop.after(self._settings.refresh_every.total_seconds(), self._refresh)
        trouble, store_answers = "", True
        if isinstance(result, StoreUnavailableError):
            trouble, store_answers = str(result), False
        elif isinstance(result, CatalogueError):
            trouble = str(result)
        elif isinstance(result, Exception):
            _LOG.error("the catalogue could not be refreshed", exc_info=result)
            return
        if trouble != self._trouble:
            _LOG.warning(trouble or "the store answers, and its catalogue is read")
            self._trouble = trouble
        self.health.report(is_serving=store_answers and self.handler.snapshot is not None)
