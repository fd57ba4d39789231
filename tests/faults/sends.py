"""Being there whenever something is sent to an online store."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from headrace.resources.online.online_store import OnlineStore

if TYPE_CHECKING:
    import redis

Send: TypeAlias = Callable[[Sequence[bytes]], None]


def watch_sends(store: OnlineStore, sending: Callable[[Send, Sequence[bytes]], None]) -> None:
    """Have whatever is sent, over connections that are made from now on, sent by a function.

    Args:
        store: Which nobody has spoken to yet.
        sending: Given what really sends, and the bytes.
    """
    pool = store._client.connection_pool  # noqa: SLF001 - below what anybody else may touch
    usual: type[redis.Connection] = pool.connection_class

    class Watched(usual):  # type: ignore[valid-type, misc]  # whichever kind of connection it is
        def send_packed_command(self, command: bytes | Sequence[bytes], **options: bool) -> None:
            usual_send = super().send_packed_command
            parts = [command] if isinstance(command, bytes) else command
            sending(lambda raw: usual_send(raw, **options), parts)

    pool.connection_class = Watched


def when_rows_are_sent(store: OnlineStore, do: Callable[[], object], *, after: bool) -> None:
    """Have something done just before or after rows are sent for the first time."""
    done = False

    def sending(send: Send, command: Sequence[bytes]) -> None:
        nonlocal done
        raw = b"".join(bytes(part) for part in command)
        is_it, done = not done and _carries_rows(raw), done or _carries_rows(raw)
        if is_it and not after:
            do()
        send(command)
        if is_it and after:
            do()

    watch_sends(store, sending)


def _carries_rows(raw: bytes) -> bool:
    return b"MSET" in raw or b"headrace_v1_put" in raw
