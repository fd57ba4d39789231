"""Calls whose message never came: header-only streams, and resets before the request was read.

Each costs the server a call and brings it nothing. Who sends many of them is refused as soon as the
headers come: a connection first, so that honest callers behind the same address go on; then the
address, when it opens one connection after another for the same.
"""

import time
from typing import Any

from ...contract.errors import LimitReachedError
from ..admission import Buckets

_MINUTE_SECONDS = 60.0
_CONNECTIONS = 10  # an address may waste what so many of its connections may


class AbandonedCalls:
    """Counts them by connection and by address.

    Attributes:
        any_yet: Whether anybody has to be looked at; a server that had no offender for a minute,
            in which every bucket fills, asks for no peer.
    """

    def __init__(self, per_minute: int) -> None:
        """Let so many a minute of one connection pass."""
        self._per_minute = float(per_minute)
        self._buckets = Buckets()
        self.any_yet, self._latest = False, 0.0

    def add(self, call: Any) -> None:  # noqa: ANN401  # untyped in grpcio
        """Count one of this call's peer."""
        self.any_yet, self._latest = True, time.monotonic()
        for name, size in self._sizes(call):
            self._buckets.take(name, 1, rate=size / _MINUTE_SECONDS, size=size)

    def check(self, call: Any) -> None:  # noqa: ANN401  # as above
        """Let a call of this peer in.

        Raises:
            LimitReachedError: The peer abandoned too many.
        """
        if time.monotonic() - self._latest > _MINUTE_SECONDS:
            self.any_yet = False
            return
        for name, size in self._sizes(call):
            if not self._buckets.holds(name, rate=size / _MINUTE_SECONDS, size=size):
                raise LimitReachedError(
                    subject="this peer", limit=f"{size:g} abandoned calls a minute"
                )

    def _sizes(self, call: Any) -> tuple[tuple[str, float], ...]:  # noqa: ANN401  # as above
        peer = call.peer().decode("utf-8", "replace")
        address = peer.rpartition(":")[0]
        of_all = self._per_minute * _CONNECTIONS
        if address == "unix":  # connections of a socket cannot be told apart
            return ((address, of_all),)
        return (peer, self._per_minute), (address, of_all)
