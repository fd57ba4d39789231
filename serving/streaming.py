"""Messages of `StreamOnlineFeatures`: each names its request, and carries an answer or an error."""

from google.protobuf.message import DecodeError

from ..contract.proto.headrace.v1 import feature_service_pb2 as pb
from ..contract.varint import CONTINUES, varint
from .query import malformed

_ID_TAG, _RESPONSE_TAG = 0x08, b"\x12"
_LONGEST_VARINT = 10


def read_message(raw: bytes) -> pb.StreamOnlineFeaturesRequest:
    """A serialized `StreamOnlineFeaturesRequest`.

    Raises:
        InvalidArgumentError: The bytes are no such message.
    """
    try:
        return pb.StreamOnlineFeaturesRequest.FromString(raw)
    except DecodeError as error:
        raise malformed("StreamOnlineFeaturesRequest") from error


def legible_id(raw: bytes) -> int:
    """The id of a message that cannot be read as a whole; 0 when that cannot be read either."""
    number = 0
    if not raw or raw[0] != _ID_TAG:
        return number
    for place, byte in enumerate(raw[1 : 1 + _LONGEST_VARINT]):
        number |= (byte & 0x7F) << 7 * place
        if byte < CONTINUES:
            return number & 2**64 - 1
    return 0


def answer_reply(request_id: int, body: bytes) -> bytes:
    """The `StreamOnlineFeaturesResponse` with a serialized answer, which is copied, not decoded."""
    head = pb.StreamOnlineFeaturesResponse(id=request_id).SerializeToString()
    return head + _RESPONSE_TAG + varint(len(body)) + body


def error_reply(request_id: int, code: int, text: str) -> bytes:
    """The `StreamOnlineFeaturesResponse` that says why there is no answer."""
    error = pb.StreamError(code=code, message=text)
    return pb.StreamOnlineFeaturesResponse(id=request_id, error=error).SerializeToString()
