"""What an answer says about a value: one total function for server, client and verification."""

from datetime import timedelta
from enum import IntEnum


class Status(IntEnum):
    """The state of one (entity, feature) in an answer; numbers are stable, they travel as int8."""

    PRESENT = 0
    NULL = 1
    STALE = 2
    NOT_FOUND = 3
    ERROR = 4


def is_stale(age_us: int, ttl_us: int | None, max_age_us: int | None) -> bool:
    """Whether a row of this age is too old: known iff age <= TTL, the same edge offline and online.

    Args:
        age_us: Clock minus event timestamp; negative (never stale) when the row lies ahead of it.
        ttl_us: The group's time to live; `None` for ever.
        max_age_us: What the request allows on top; `None` when it says nothing.
    """
    return (ttl_us is not None and age_us > ttl_us) or (
        max_age_us is not None and age_us > max_age_us
    )


def value_status(*, failed: bool, found: bool, stale: bool, null: bool) -> Status:
    """The status of a value, by precedence ERROR > NOT_FOUND > STALE > NULL > PRESENT.

    Args:
        failed: The row could not be read, or cannot be decoded under any known schema.
        found: The entity has a row that is live (at or above the group's floor).
        stale: What `is_stale` says of the row's age.
        null: The value is null, or the row's schema does not have the feature yet.
    """
    if failed:
        return Status.ERROR
    if not found:
        return Status.NOT_FOUND
    if stale:
        return Status.STALE
    return Status.NULL if null else Status.PRESENT


def microseconds(duration: timedelta) -> int:
    """A duration as whole microseconds, exactly (`total_seconds` rounds)."""
    return duration // timedelta(microseconds=1)
