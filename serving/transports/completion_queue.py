"""What the lean transport uses of grpcio's private completion-queue layer: nothing else names it.

grpcio promises nothing about these names; `lean_self_test` sees whether they are there, and do what
they did, before anything here is imported. A *batch* is a tuple of operations on one call; it ends
in one event on the queue, which carries the tag that the batch was started with.
"""

from typing import Any

from grpc._cython import cygrpc  # type: ignore[attr-defined]  # it has no types

CompletionQueue: Any = cygrpc.CompletionQueue
Server: Any = cygrpc.Server
peer_identities: Any = cygrpc.peer_identities

_ReceiveClose: Any = cygrpc.ReceiveCloseOnServerOperation
_ReceiveMessage: Any = cygrpc.ReceiveMessageOperation
_SendInitialMetadata: Any = cygrpc.SendInitialMetadataOperation
_SendMessage: Any = cygrpc.SendMessageOperation
_SendStatus: Any = cygrpc.SendStatusFromServerOperation


def receive_message() -> tuple[Any, ...]:
    """Wait for the next message: `message()` of the event's operation, `None` when none comes."""
    return (_ReceiveMessage(0),)


def receive_close() -> tuple[Any, ...]:
    """Wait for the call's end: `cancelled()` of the event's operation."""
    return (_ReceiveClose(0),)


def send_first_message(message: bytes) -> tuple[Any, ...]:
    """The first message of a stream."""
    return (_SendInitialMetadata(None, 0), _SendMessage(message, 0))


def send_message(message: bytes) -> tuple[Any, ...]:
    """Another message of a stream; the one before has to be sent."""
    return (_SendMessage(message, 0),)


# Operations that neither own nor tell anything: grpcio reads them when a batch is started, and of
# the close only what nobody asks is written. So all calls share them.
_NO_METADATA = _SendInitialMetadata(None, 0)
_STATUS_OK = _SendStatus(None, 0, b"", 0)
_UNREAD_CLOSE = _ReceiveClose(0)


def send_answer(message: bytes) -> tuple[Any, ...]:
    """The one message of a call and its status OK."""
    return (_NO_METADATA, _SendMessage(message, 0), _STATUS_OK)


def send_last_answer(message: bytes) -> tuple[Any, ...]:
    """The same, ending when the call has ended, for calls that never asked for their close."""
    return (_NO_METADATA, _SendMessage(message, 0), _STATUS_OK, _UNREAD_CLOSE)


def send_status(code: int, text: bytes, *, is_first: bool) -> tuple[Any, ...]:
    """A status and no message; `is_first` when none was sent before."""
    status = _SendStatus(None, code, text, 0)
    return (_SendInitialMetadata(None, 0), status) if is_first else (status,)


def with_close(batch: tuple[Any, ...]) -> tuple[Any, ...]:
    """The batch, ending when the call has ended, for calls that never asked for their close."""
    return (*batch, _ReceiveClose(0))
