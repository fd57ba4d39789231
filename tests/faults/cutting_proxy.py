"""A TCP address in front of a store, whose connections are cut in the middle of a reply."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass(slots=True)
class CuttingProxy:
    """Passes bytes on, and cuts once so many bytes of replies have passed.

    Attributes:
        url: What a client connects to.
        passed: How many bytes of replies have passed, over all connections.
        cut_at: Where a connection is cut; `None` for never.
        cut_again: Whether each connection after that is cut at once.
        cuts: How many connections were.
    """

    url: str
    socket_path: str
    cut_at: int | None = None
    cut_again: bool = False
    passed: int = 0
    cuts: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def serve(self, listener: socket.socket) -> None:
        """Take connections until the listener is closed."""
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                store = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                store.connect(self.socket_path)
                for work in (self._pass_commands, self._pass_replies):
                    threading.Thread(target=work, args=(client, store), daemon=True).start()

    def _pass_commands(self, client: socket.socket, store: socket.socket) -> None:
        with suppress(OSError):
            while raw := client.recv(65_536):
                store.sendall(raw)
        _close(client, store)

    def _pass_replies(self, client: socket.socket, store: socket.socket) -> None:
        with suppress(OSError):
            while raw := store.recv(4096):
                allowed = self._allowed(len(raw))
                client.sendall(raw[:allowed])
                if allowed < len(raw):
                    break
        _close(client, store)

    def _allowed(self, number: int) -> int:
        with self._lock:
            if self.cut_at is None or (self.cuts and not self.cut_again):
                self.passed += number
                return number
            allowed = min(number, self.cut_at - self.passed)
            self.passed += allowed
            self.cuts += allowed < number
            return allowed


@contextmanager
def cutting_proxy(url: str) -> Iterator[CuttingProxy]:
    """A proxy in front of a store that listens on a unix socket."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    proxy = CuttingProxy(f"redis://127.0.0.1:{port}", url.removeprefix("unix://"))
    thread = threading.Thread(target=proxy.serve, args=(listener,), daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def _close(*ends: socket.socket) -> None:
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()
