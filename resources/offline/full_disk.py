"""A full disk, in whichever words delta-rs, polars or the operating system says it."""

import errno
import re

from ...contract.errors import StoreFullError

# A file that grows beyond what its writer may have is a disk that is full, to whoever writes it.
_NUMBERS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FULL = re.compile("|".join(rf"os error {number}\b" for number in _NUMBERS))
_DRAWING = re.compile(r"\x1b\[[0-9;]*m|↳")


def store_full(store: str, unwritten: str, error: Exception) -> StoreFullError | None:
    """The error that says so; `None` when something else went wrong.

    Args:
        store: The address that was written to.
        unwritten: What is not there now, as in "partition 2018-01-01".
        error: What was raised.
    """
    reason = " ".join(_DRAWING.sub(" ", str(error)).split())
    if _FULL.search(reason) or getattr(error, "errno", None) in _NUMBERS:
        return StoreFullError(store=store, unwritten=unwritten, reason=reason)
    return None
