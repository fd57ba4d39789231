"""Which transport serves: the lean one where it works, else the one that needs nothing private."""

import logging
from typing import Literal, get_args

from ...contract.errors import InvalidArgumentError
from .lean_self_test import reason_against_lean

Transport = Literal["auto", "lean", "aio"]
TRANSPORTS: tuple[str, ...] = get_args(Transport)

_LOG = logging.getLogger("headrace.serving")


def chosen_transport(wanted: str) -> Literal["lean", "aio"]:
    """The transport that is meant; `auto` warns when it has to take `aio`.

    Raises:
        InvalidArgumentError: There is no such transport, or `lean` is wanted and does not work.
    """
    if wanted not in TRANSPORTS:
        raise InvalidArgumentError(
            argument="--transport",
            problem=f"there is no transport {wanted!r}",
            remedy=f"choose one of {', '.join(TRANSPORTS)}",
        )
    if wanted == "aio":
        return "aio"
    reason = reason_against_lean()
    if not reason:
        return "lean"
    if wanted == "lean":
        raise InvalidArgumentError(
            argument="--transport",
            problem=f"lean does not work here: {reason}",
            remedy="choose auto or aio",
        )
    _LOG.warning("the lean transport does not work here, aio serves instead: %s", reason)
    return "aio"
