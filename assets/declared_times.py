"""What the times of a declaration must be: partitions, starts, lateness, targets, TTLs."""

from datetime import UTC, date, datetime, timedelta

from ..contract.errors import DefinitionError
from ..contract.partitions import PARTITIONINGS, Partitioning


def check_ttl(subject: str, ttl: timedelta | None) -> None:
    """Refuse a TTL after which nothing would ever be known."""
    if ttl is not None and (not isinstance(ttl, timedelta) or ttl <= timedelta(0)):
        raise DefinitionError(
            subject=subject,
            field="ttl",
            problem=f"{ttl!r} is no positive duration",
            remedy="Pass a timedelta greater than 0, or None when values never expire",
        )


def check_partitions(subject: str, partitions: Partitioning) -> None:
    """Refuse a partitioning other than the ones that every part of the platform knows."""
    if partitions not in PARTITIONINGS.values():
        raise DefinitionError(
            subject=subject,
            field="partitions",
            problem=f"{partitions!r} is no partitioning",
            remedy=f"Use {' or '.join(PARTITIONINGS)}",
        )


def check_lateness(subject: str, lateness: timedelta) -> None:
    """Refuse a lateness that is no duration."""
    if not isinstance(lateness, timedelta) or lateness < timedelta(0):
        raise DefinitionError(
            subject=subject,
            field="lateness",
            problem=f"{lateness!r} is no duration",
            remedy="Pass the timedelta by which rows arrive after their partition ends; 0 or more",
        )


def check_late_within(
    subject: str, late_within: timedelta | None, least: timedelta, landing: str | None
) -> None:
    """Refuse to look for late rows so early that none can be late, or where files tell of them."""
    if late_within is None:
        return
    if landing is not None:
        raise DefinitionError(
            subject=subject,
            field="late_within",
            problem="its landing tells of rows that come late, however late",
            remedy="Leave late_within out",
        )
    _check_duration(subject, "late_within", late_within)
    if late_within < least:
        raise DefinitionError(
            subject=subject,
            field="late_within",
            problem=f"{late_within!s} is shorter than a partition plus its lateness ({least!s})",
            remedy="Pass the timedelta after a partition's end in which rows still come",
        )


def _check_duration(subject: str, field: str, value: object) -> None:
    if not isinstance(value, timedelta):
        raise DefinitionError(
            subject=subject,
            field=field,
            problem=f"{value!r} is no duration",
            remedy="Pass a timedelta, as timedelta(days=2)",
        )


def checked_freshness(
    subject: str, freshness: timedelta | None, partitions: Partitioning, lateness: timedelta
) -> timedelta:
    """The freshness target; by default the age that data reach in normal operation."""
    least = partitions.length + lateness
    if freshness is None:
        return least
    _check_duration(subject, "freshness", freshness)
    if freshness < least:
        raise DefinitionError(
            subject=subject,
            field="freshness",
            problem=f"{freshness!s} is shorter than a partition plus its lateness ({least!s})",
            remedy="Make it at least that, or use finer partitions",
        )
    return freshness


def checked_start(subject: str, start: str | date, partitions: Partitioning) -> datetime:
    """Where a history begins: a UTC instant at the start of a partition."""
    try:
        begin = datetime.fromisoformat(start if isinstance(start, str) else start.isoformat())
    except (ValueError, AttributeError) as error:
        raise DefinitionError(
            subject=subject,
            field="start",
            problem=f"{start!r} is no instant",
            remedy='Write it as "2017-01-01" or "2017-01-01T06:00Z"',
        ) from error
    begin = begin.replace(tzinfo=UTC) if begin.tzinfo is None else begin.astimezone(UTC)
    if partitions.floor(begin) != begin:
        raise DefinitionError(
            subject=subject,
            field="start",
            problem=f"{begin.isoformat()} lies inside a {partitions.name} partition",
            remedy=f"Begin with a whole one, at {partitions.floor(begin).isoformat()}",
        )
    return begin
