"""What a caller asked for cannot be answered as asked."""

import difflib
from collections.abc import Iterable, Sequence

from .root import HeadraceError

_LISTED = 20


class RequestError(HeadraceError):
    """What a caller asked for cannot be answered as asked."""


class InvalidFeatureReferenceError(RequestError):
    """A reference is not of the form `group[@version][:feature]`."""

    def __init__(self, *, reference: str) -> None:
        """Keep the text that could not be read."""
        self.reference = reference
        super().__init__(
            f"{reference!r} is no feature reference;"
            " write group:feature, group, or group@version:feature",
        )


class UnknownNameError(RequestError):
    """A name that nothing bears; the message gives the nearest ones that exist."""

    def __init__(
        self, *, kind: str, name: str, known: Iterable[str], instead: str | None = None
    ) -> None:
        """Say which kind of thing (`feature group`) was asked for by which name, among which.

        `instead` says what of another kind bears the name, and what to do with that.
        """
        self.kind, self.name, self.known = kind, name, tuple(sorted(known))
        near = difflib.get_close_matches(name, self.known, n=3, cutoff=0.5)
        self.nearest = () if instead else tuple(near)
        hint = instead or (
            f"did you mean {_either(self.nearest)}?"
            if self.nearest
            else f"known: {_listed(self.known)}"
        )
        super().__init__(f"there is no {kind} {name!r}; {hint}")


class InvalidEntityError(RequestError):
    """A join key value is missing, of the wrong type or out of range."""

    def __init__(self, *, entity: str, join_key: str, expected: str, got: object) -> None:
        """Name the entity, its join key, the type expected and the value that came instead."""
        self.entity, self.join_key, self.expected, self.got = entity, join_key, expected, got
        super().__init__(
            f"entity {entity!r}, join key {join_key!r}: expected {expected}, got {_shown(got)}",
        )


class InvalidArgumentError(RequestError):
    """An argument of a request is wrong for another reason."""

    def __init__(self, *, argument: str, problem: str, remedy: str) -> None:
        """Name the argument, what is wrong with it and what to do."""
        self.argument, self.problem, self.remedy = argument, problem, remedy
        super().__init__(f"{argument}: {problem}; {remedy}")


class TooLargeError(RequestError):
    """A request asks for more than the server answers at once."""

    def __init__(self, *, what: str, count: int, limit: int) -> None:
        """Say how many of what were asked for, and how many may be."""
        self.what, self.count, self.limit = what, count, limit
        super().__init__(f"{count} {what} in one request, at most {limit}; split the request")


class ContractChangedError(RequestError):
    """A generated client was made for another contract than the feature server has now."""

    def __init__(self, *, service: str, changes: Sequence[str]) -> None:
        """Name the feature service and each change that the client cannot follow."""
        self.service, self.changes = service, tuple(changes)
        super().__init__(
            f"feature service {service!r} has changed since this client was made:"
            f" {'; '.join(changes)}; make it again: headrace generate-client {service}"
        )


class RefusedRequestError(RequestError):
    """The feature server refused a request; its message says why and what to do."""

    def __init__(self, *, code: str, reason: str) -> None:
        """Keep the status (`NOT_FOUND`, `INVALID_ARGUMENT`) and the server's message."""
        self.code, self.reason = code, reason
        super().__init__(reason)


def _either(names: Sequence[str]) -> str:
    return " or ".join(repr(name) for name in names)


def _listed(names: Sequence[str]) -> str:
    left = len(names) - _LISTED
    return (", ".join(names[:_LISTED]) or "none") + (f", and {left} more" if left > 0 else "")


def _shown(value: object) -> str:
    return "nothing" if value is None else f"{value!r} ({type(value).__name__})"
