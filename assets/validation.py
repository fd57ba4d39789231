"""What the values of a declaration must be; a mistake is a `DefinitionError` with its remedy."""

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..contract.errors import DefinitionError
from ..contract.feature_group import Online

STATUSES = ("experimental", "active", "deprecated")
MAX_VERSION = 999_999_999
MAX_BUCKETS = 4096

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_VERSIONED_NAME = re.compile(r".*_v[0-9]+")
_TABLE_BESIDE = re.compile(r".*_(quarantine|held)")
_OWNER = re.compile(r"team:[A-Za-z0-9_.-]+|[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,7}")
_TAG_KEY = re.compile(r"[A-Za-z0-9_.-]{1,63}")
_TAG_VALUE = re.compile(r"[A-Za-z0-9_.-]{0,63}")


def check_name(subject: str, name: str) -> None:
    """Refuse a name that would be ambiguous in references, asset keys or column names."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise DefinitionError(
            subject=subject,
            field="name",
            problem=f"{name!r} is no snake_case name",
            remedy="Use lower-case words joined by single underscores (two join `group__feature`)",
        )


def checked_name(kind: str, function: Callable[..., object]) -> tuple[str, str]:
    """The name of what a function declares, and how messages name it."""
    name = function.__name__
    subject = f"{kind} {name!r}"
    check_name(subject, name)
    if _VERSIONED_NAME.fullmatch(name):
        raise DefinitionError(
            subject=subject,
            field="name",
            problem=f"{name!r} ends as the asset key of a version does",
            remedy="Leave the version out of the name; groups take it as version=…",
        )
    if kind != "feature group" and _TABLE_BESIDE.fullmatch(name):
        raise DefinitionError(
            subject=subject,
            field="name",
            problem=f"{name!r} ends as the table beside another one does",
            remedy="Choose another name",
        )
    return name, subject


def checked_owners(subject: str, owners: Iterable[str]) -> tuple[str, ...]:
    """The owners, at least one, each `team:name` or an e-mail address."""
    if not isinstance(owners, Iterable):
        raise DefinitionError(
            subject=subject,
            field="owners",
            problem=f"{owners!r} is no list",
            remedy='Name the owners in a list, as owners=["team:growth"]',
        )
    listed = () if isinstance(owners, str) else tuple(owners)
    if not listed:
        raise DefinitionError(
            subject=subject,
            field="owners",
            problem="nobody owns it",
            remedy='Name at least one owner in a list, as owners=["team:growth"]',
        )
    for owner in listed:
        if not isinstance(owner, str) or not _OWNER.fullmatch(owner):
            raise DefinitionError(
                subject=subject,
                field="owners",
                problem=f"{owner!r} is no owner",
                remedy='Write "team:name" or an e-mail address',
            )
    twice = next((owner for at, owner in enumerate(listed) if owner in listed[:at]), None)
    if twice is not None:
        raise DefinitionError(
            subject=subject,
            field="owners",
            problem=f"{twice!r} is named twice",
            remedy="Name each owner once",
        )
    return listed


def checked_tags(subject: str, tags: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The tags, sorted by key."""
    if not isinstance(tags, Mapping):
        raise DefinitionError(
            subject=subject,
            field="tags",
            problem=f"{tags!r} is no mapping",
            remedy='Pass a dictionary, as tags={"tier": "gold"}',
        )
    for key, value in tags.items():
        if not _TAG_KEY.fullmatch(str(key)) or not _TAG_VALUE.fullmatch(str(value)):
            raise DefinitionError(
                subject=subject,
                field="tags",
                problem=f"{key!r}: {value!r} is no tag",
                remedy="Use at most 63 letters, digits, `_`, `.` and `-` for key and value",
            )
    return tuple(sorted((str(key), str(value)) for key, value in tags.items()))


def check_version(subject: str, version: int) -> None:
    """Refuse a version that is no positive integer."""
    if type(version) is not int or not 1 <= version <= MAX_VERSION:
        raise DefinitionError(
            subject=subject,
            field="version",
            problem=f"{version!r} is no version",
            remedy="Versions are the integers 1, 2, 3, …",
        )


def checked_online(subject: str, online: str | None) -> Online | None:
    """What a partition says about the online state."""
    try:
        return None if online is None else Online(online)
    except ValueError as error:
        raise DefinitionError(
            subject=subject,
            field="online",
            problem=f"{online!r} is no semantics",
            remedy='Use "snapshot", "upsert" or None',
        ) from error


def check_keywords(subject: str, *, buckets: int, status: str, approval: bool) -> None:
    """Refuse a number of entity buckets, a status or a demand for approval that means nothing."""
    if type(buckets) is not int or buckets < 1:
        raise DefinitionError(
            subject=subject,
            field="buckets",
            problem=f"{buckets!r} is no number of buckets",
            remedy="Pass an integer of at least 1",
        )
    if buckets > MAX_BUCKETS:
        raise DefinitionError(
            subject=subject,
            field="buckets",
            problem=f"{buckets} would make as many small files of every partition",
            remedy=f"Pass {MAX_BUCKETS} at most; a bucket should hold some 100,000 entities",
        )
    if type(approval) is not bool:
        raise DefinitionError(
            subject=subject,
            field="approval",
            problem=f"{approval!r} says neither yes nor no",
            remedy="Pass True to hold partitions until they are approved, else False",
        )
    if status not in STATUSES:
        raise DefinitionError(
            subject=subject,
            field="status",
            problem=f"{status!r} is no status",
            remedy=f"Use one of {', '.join(STATUSES)}",
        )


def check_parameters(
    subject: str, function: Callable[..., Any], inputs: Iterable[str], window: Iterable[str]
) -> None:
    """Refuse a function whose parameters are not its inputs' names and those of its window.

    Parameters of the window (`end`) may be left out by a function that does not need them.
    """
    expected, optional = tuple(inputs), tuple(window)
    parameters = inspect.signature(function).parameters
    for name, parameter in parameters.items():
        if name not in (*expected, *optional) or parameter.kind in {
            parameter.POSITIONAL_ONLY,
            parameter.VAR_KEYWORD,
            parameter.VAR_POSITIONAL,
        }:
            raise DefinitionError(
                subject=subject,
                field=f"parameter {name!r}",
                problem="no declared source has this name",
                remedy=f"Parameters are {', '.join((*expected, *optional)) or 'none'}; add it to "
                "sources=[…], or rename it",
            )
    for name in expected:
        if name not in parameters:
            raise DefinitionError(
                subject=subject,
                field=f"source {name!r}",
                problem="the function has no parameter of this name",
                remedy=f"Take a parameter `{name}: pl.LazyFrame`, or remove it from sources=[…]",
            )
