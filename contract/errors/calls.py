"""A process at the other end of a call did not answer as it should."""

from .root import HeadraceError


class ServerError(HeadraceError):
    """The feature server did not answer: it is gone, overloaded, too slow, or without its store."""

    def __init__(self, *, server: str, code: str, reason: str, remedy: str = "") -> None:
        """Name the server by its address, the gRPC status, the reason, and what to do, if known."""
        self.server, self.code, self.reason, self.remedy = server, code, reason, remedy
        hint = remedy and f"; {remedy}"
        super().__init__(f"the feature server at {server} did not answer ({code}): {reason}{hint}")


class CallError(HeadraceError):
    """The feature server cannot answer a call now; nothing is wrong with the request."""


class OverloadedError(CallError):
    """The feature server has more to do than it can do in time, and refused a call at once."""

    def __init__(self, *, what: str) -> None:
        """Say of what there is too much."""
        self.what = what
        super().__init__(f"the feature server is overloaded: {what}; repeat the call later")


class LimitReachedError(CallError):
    """The server lets no more in for now; the same request may be answered a little later."""

    def __init__(self, *, subject: str, limit: str) -> None:
        """Say whose limit it is, and how much that allows."""
        self.subject, self.limit = subject, limit
        super().__init__(f"{subject}: the limit of {limit} is reached; try again later")


class DeadlineExceededError(CallError):
    """The caller's deadline passed before the answer was there."""

    def __init__(self) -> None:
        """Nothing is known but that it was too late."""
        super().__init__("the deadline passed before the online store answered")


class AlertUndeliveredError(HeadraceError):
    """The webhook for alerts did not take them; its address may be a secret and is not named."""

    def __init__(self, *, count: int, reason: str) -> None:
        """Say how many alerts are kept, and what the webhook did."""
        self.count, self.reason = count, reason
        super().__init__(
            f"HEADRACE_ALERT_WEBHOOK did not take {count} alerts: {reason}; they are kept, and sent"
            " again by the next tick. See that it answers a POST of JSON with a status of 2xx"
        )
