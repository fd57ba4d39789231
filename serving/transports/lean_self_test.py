"""Whether the lean transport works with this grpcio: its private names, then a real call."""

import time
from importlib import import_module

import grpc

_MODULE = "grpc._cython.cygrpc"
_NAMES = {
    "": (
        "CompletionQueue",
        "ReceiveCloseOnServerOperation",
        "ReceiveMessageOperation",
        "SendInitialMetadataOperation",
        "SendMessageOperation",
        "SendStatusFromServerOperation",
        "Server",
        "peer_identities",
    ),
    "Server": (
        "add_http2_port",
        "cancel_all_calls",
        "register_completion_queue",
        "request_call",
        "shutdown",
        "start",
    ),
    "Call": ("peer", "start_server_batch"),
    "CallDetails": ("deadline", "method"),
    "CompletionQueue": ("poll", "shutdown"),
    "RequestCallEvent": ("call", "call_details", "invocation_metadata", "success", "tag"),
}
_PATIENCE_SECONDS = 5.0
_QUESTION, _ANSWER = b"question", b"answer"


def reason_against_lean() -> str:
    """Why the lean transport cannot be used here; empty when it can."""
    missing = missing_names()
    if missing:
        return f"grpcio {grpc.__version__} lacks {', '.join(missing)}"
    try:
        answer = _call_over_loopback()
    except Exception as error:  # noqa: BLE001  # whatever another release does, there is another transport
        return f"a call failed with grpcio {grpc.__version__} ({type(error).__name__}: {error})"
    if answer != _ANSWER:
        return f"a call was not answered as it should be with grpcio {grpc.__version__}"
    return ""


def missing_names() -> list[str]:
    """The names that the installed grpcio does not have; the module alone when that is gone."""
    try:
        module = import_module(_MODULE)
    except ImportError:
        return [_MODULE]
    return [
        f"{owner}.{name}".lstrip(".")
        for owner, names in _NAMES.items()
        for name in names
        if not hasattr(getattr(module, owner, None) if owner else module, name)
    ]


def _call_over_loopback() -> bytes | None:
    """Answer one call with the loop that will serve; what the client got."""
    from .completion_queue import (  # noqa: PLC0415  # only once the names are there
        receive_message,
        send_answer,
        with_close,
    )
    from .lean_loop import Accepted, LeanLoop  # noqa: PLC0415  # as above

    def accepted(call: Accepted) -> None:
        def received(event: object) -> None:
            asked = event.batch_operations[0].message()  # type: ignore[attr-defined]  # untyped in grpcio
            answer = _ANSWER if asked == _QUESTION else b""
            loop.start_last(call.call, with_close(send_answer(answer)))

        loop.start(call.call, receive_message(), received)

    loop = LeanLoop([("grpc.so_reuseport", 0)], accepted, requests=1, limit=2)
    port = loop.server.add_http2_port(b"127.0.0.1:0", None)
    options = [("grpc.enable_http_proxy", 0)]
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        method: grpc.UnaryUnaryMultiCallable[bytes, bytes]
        method = channel.unary_unary("/self.Test/Call")
        answer = method.future(_QUESTION, timeout=_PATIENCE_SECONDS)
        until = time.monotonic() + _PATIENCE_SECONDS

        def turn() -> bool:
            if answer.done() or time.monotonic() > until:
                channel.close()  # first: a client that is connected hears of the end, and logs it
                loop.drain(_PATIENCE_SECONDS)
            return False

        loop.turn = turn
        loop.run()
        return answer.result(timeout=0)
