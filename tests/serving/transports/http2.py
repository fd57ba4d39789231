"""A client that speaks HTTP/2 by hand, for what no gRPC library would send."""

import socket
import struct
from collections.abc import Iterable
from typing import Self

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _WINDOW_UPDATE = 0, 1, 3, 4, 6, 8
_END_STREAM, _END_HEADERS, _ACK = 1, 4, 1
_CANCEL = struct.pack(">I", 8)
_HEADER = 9


class Connection:
    """One connection; streams are numbered by the client: 1, 3, 5 and so on.

    Attributes:
        resets: How many streams the server has reset.
        trailers: How many it has ended with a status.
        is_open: The server has not closed it.
    """

    def __init__(self, address: str) -> None:
        """Connect, with a large window, so that the server is never waited for."""
        host, _, port = address.rpartition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=10)
        self._received = b""
        self._stream = -1
        self.resets = self.trailers = 0
        self.is_open = True
        window = struct.pack(">I", 0x3FFFFFFF)
        self._send(_PREFACE + _frame(_SETTINGS, 0, 0, b"") + _frame(_WINDOW_UPDATE, 0, 0, window))

    def __enter__(self) -> Self:
        """This connection."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self._socket.close()

    def begin(self, path: str, count: int, *, message: bytes | None = None) -> range:
        """Begin streams: headers, and a message if one is given; their numbers."""
        begun = range(self._stream + 2, self._stream + 2 + 2 * count, 2)
        self._stream = begun[-1]
        headers = _headers(path)
        frames = []
        for number in begun:
            frames.append(_frame(_HEADERS, _END_HEADERS, number, headers))
            if message is not None:
                framed = b"\0" + struct.pack(">I", len(message)) + message
                frames.append(_frame(_DATA, _END_STREAM, number, framed))
        self._send(b"".join(frames))
        return begun

    def begin_and_close(self, path: str) -> None:
        """Begin a stream that is closed on this side, without a message."""
        self._stream += 2
        headers = _frame(_HEADERS, _END_HEADERS | _END_STREAM, self._stream, _headers(path))
        self._send(headers)

    def reset(self, numbers: Iterable[int]) -> None:
        """Take streams back."""
        self._send(b"".join(_frame(_RST_STREAM, 0, number, _CANCEL) for number in numbers))

    def begin_and_reset(self, path: str, count: int) -> None:
        """Begin streams, each taken back in the same breath."""
        headers = _headers(path)
        frames = []
        for _ in range(count):
            self._stream += 2
            frames.append(_frame(_HEADERS, _END_HEADERS, self._stream, headers))
            frames.append(_frame(_RST_STREAM, 0, self._stream, _CANCEL))
        self._send(b"".join(frames))

    def take(self) -> None:
        """Take what the server has sent, without waiting, and acknowledge what it expects."""
        self._socket.setblocking(False)  # noqa: FBT003  # Python's own
        try:
            while received := self._socket.recv(1 << 18):
                self._received += received
            self.is_open = False
        except BlockingIOError:
            pass
        except OSError:
            self.is_open = False
        finally:
            self._socket.settimeout(10)
        while len(self._received) >= _HEADER:
            length = int.from_bytes(self._received[:3], "big")
            if len(self._received) < _HEADER + length:
                break
            kind, flags = self._received[3], self._received[4]
            payload = self._received[_HEADER : _HEADER + length]
            self._received = self._received[_HEADER + length :]
            if kind == _RST_STREAM:
                self.resets += 1
            elif kind == _HEADERS and flags & _END_STREAM:
                self.trailers += 1
            elif kind in {_PING, _SETTINGS} and not flags & _ACK:
                self._send(_frame(kind, _ACK, 0, payload if kind == _PING else b""))

    def _send(self, frames: bytes) -> None:
        if not self.is_open:
            return
        try:
            self._socket.sendall(frames)
        except OSError:
            self.is_open = False


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    head = struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream)
    return head + payload


def _headers(path: str) -> bytes:
    """POST and http by their index; everything else as literals, never indexed."""
    pairs = (
        (":path", path),
        (":authority", "x"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    )
    return b"\x83\x86" + b"".join(
        b"\x00" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
        for name, value in pairs
    )
