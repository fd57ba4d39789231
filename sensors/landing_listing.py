"""What the files of a landing look like, partition by partition."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..assets.landing import Landing
from ..resources.landed_files import LandedFile

_SETTLED_NS = 5_000_000_000


@dataclass(frozen=True, slots=True)
class Listing:
    """What there is to take.

    Attributes:
        digests: Of each partition all of whose files have settled, how they look.
        unsettled: The others that have files.
        strangers: How many files belong to no partition.
    """

    digests: Mapping[str, str]
    strangers: int
    unsettled: frozenset[str] = frozenset()


def listing_of(landing: Landing, files: Iterable[LandedFile], now_ns: int) -> Listing:
    """Sort files by partition; they look otherwise when a path, a size or a time does.

    A partition is left out while one of its files was modified in the last seconds: it may still
    be written to. That also makes up for stores whose clocks are coarse. A file that changes after
    this look gets another time, since the one that it has lies seconds back.
    """
    by_partition: defaultdict[str | None, list[LandedFile]] = defaultdict(list)
    for file in files:
        by_partition[landing.partition(file.path)].append(file)
    strangers = by_partition.pop(None, [])
    partitions = {key: listed for key, listed in by_partition.items() if key is not None}
    unsettled = frozenset(
        key for key, listed in partitions.items() if any(_is_young(file, now_ns) for file in listed)
    )
    digests = {key: _digest(listed) for key, listed in partitions.items() if key not in unsettled}
    return Listing(digests, len(strangers), unsettled)


def _is_young(file: LandedFile, now_ns: int) -> bool:
    # A time that lies ahead is of a clock that is wrong; waiting for it could take for ever.
    return 0 <= now_ns - file.modified_ns < _SETTLED_NS


def _digest(files: Iterable[LandedFile]) -> str:
    looks = sorted(f"{file.path}\0{file.size}\0{file.modified_ns}" for file in files)
    return hashlib.sha256("\n".join(looks).encode()).hexdigest()[:16]
