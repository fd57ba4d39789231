"""A store did not do what it was asked."""

import re

from .root import HeadraceError

_DRAWN = re.compile("\x1b\\[[0-9;]*m|\u21b3")


class StoreError(HeadraceError):
    """A store did not do what it was asked."""


class StoreUnavailableError(StoreError):
    """A store cannot be reached, or broke off; nothing is known to be wrong with what it holds."""

    def __init__(self, *, store: str, reason: str) -> None:
        """Name the store by its address (without its password) and the reason it gave."""
        # delta-rs draws its causes as a coloured tree of many lines.
        self.store, self.reason = store, " ".join(_DRAWN.sub("", reason).split())
        super().__init__(
            f"the store at {store} is unavailable: {self.reason};"
            " check that it runs, then repeat the call",
        )


class DamagedTableError(StoreError):
    """What a store holds of a table cannot be read: a file of it is missing, or cut short."""

    def __init__(self, *, table: str, version: int | None, problem: str, remedy: str) -> None:
        """Name the table by its address, the version that is damaged, the file, what to do."""
        self.table, self.version, self.problem, self.remedy = table, version, problem, remedy
        at = "" if version is None else f" at version {version}"
        super().__init__(f"the table at {table} is damaged{at}: {problem}; {remedy}")


class StateLostError(StoreError):
    """The online store does not know how far a group is complete: it lost its data."""

    def __init__(self, *, group: str, missing: str) -> None:
        """Name the group and what is missing."""
        self.group, self.missing = group, missing
        super().__init__(
            f"feature group {group!r}: the online store lost its {missing};"
            " publish the group again, or run `headrace rebuild`"
        )


class HistoryLostError(StoreError):
    """The online store was restarted or failed over during a publish: some rows may be lost."""

    def __init__(self, *, group: str, partition: str) -> None:
        """Name what was being published."""
        self.group, self.partition = group, partition
        super().__init__(
            f"feature group {group!r}, partition {partition}: the online store was restarted or"
            " failed over since this publish began, so that rows it had written may be lost;"
            " publish the partition again"
        )


class NotReplicatedError(StoreError):
    """Fewer replicas than asked for have the rows of a publish; it does not count as finished."""

    def __init__(
        self, *, group: str, partition: str, replicas: int, asked: int, seconds: float
    ) -> None:
        """Name what was being published, how many replicas have it, and how long was waited."""
        self.group, self.partition = group, partition
        self.replicas, self.asked, self.seconds = replicas, asked, seconds
        super().__init__(
            f"feature group {group!r}, partition {partition}: {replicas} of {asked} replicas of the"
            f" online store had its rows after {seconds:g} s; the rows are written, but the"
            " partition does not count as published; see to the replicas, or ask for fewer"
            " (HEADRACE_WAIT_REPLICAS), then publish it again"
        )


class UnsupportedStoreError(StoreError):
    """The online store is of a kind that cannot be published to."""

    def __init__(self, *, store: str, kind: str, remedy: str) -> None:
        """Name the store by its address and say what it is."""
        self.store, self.kind = store, kind
        super().__init__(f"the online store at {store} is {kind}; {remedy}")


class CatalogueError(StoreError):
    """The catalogue names a manifest or document that is missing or cannot be read."""

    def __init__(self, *, name: str, reason: str) -> None:
        """Name the manifest or document and what is wrong with it."""
        self.name, self.reason = name, reason
        super().__init__(
            f"the online store's catalogue names {name}, which cannot be read: {reason};"
            " upgrade this process, or run `headrace rebuild`"
        )


class IdsExhaustedError(StoreError):
    """Every id that an online key can hold stands for some group version already."""

    def __init__(self, *, group: str, limit: int) -> None:
        """Name the group version that got none, and how many there are."""
        self.group, self.limit = group, limit
        super().__init__(
            f"no id is left for feature group {group!r}: the online store gave out all {limit};"
            " use another online store (HEADRACE_REDIS)"
        )


class FencedError(StoreError):
    """A newer computation of the same partition has begun to publish; this one must stop."""

    def __init__(self, *, group: str, partition: str, generation: int) -> None:
        """Name what was refused."""
        self.group, self.partition, self.generation = group, partition, generation
        super().__init__(
            f"feature group {group!r}, partition {partition}: generation {generation} was refused,"
            " because a newer one is being published;"
            " publish the partition again to send the newest",
        )


class EvictionPolicyError(StoreError):
    """The online store would evict rows silently."""

    def __init__(self, *, store: str, policy: str) -> None:
        """Name the policy that was found."""
        self.store, self.policy = store, policy
        super().__init__(
            f"the online store at {store} evicts rows by {policy!r}, which would turn known"
            " entities into unknown ones; set maxmemory-policy to noeviction",
        )


class UnsafeStoreError(StoreError):
    """The offline store lets one writer replace what another committed."""

    def __init__(self, *, store: str) -> None:
        """Name the store by its address."""
        self.store = store
        super().__init__(
            f"the offline store at {store} would lose commits: several writers put the same object"
            " with If-None-Match: *, and none was refused as expected; use a store that keeps"
            " conditional writes (AWS S3, MinIO, Ceph), or a local folder (HEADRACE_OFFLINE)",
        )


class StoreFullError(StoreError):
    """The offline store has no room for a write; what was committed before stays as it was."""

    def __init__(self, *, store: str, unwritten: str, reason: str) -> None:
        """Name the store, what could not be written, and what the store said."""
        self.store, self.unwritten, self.reason = store, unwritten, reason
        super().__init__(
            f"the store at {store} is full, {unwritten} was not written: {reason};"
            " make room (`headrace maintain` removes what nobody needs), then repeat the call",
        )


class OutOfMemoryError(StoreError):
    """The online store refused a write because its memory is full; what it held is still served."""

    def __init__(self, *, store: str, group: str, partition: str) -> None:
        """Name what could not be written."""
        self.store, self.group, self.partition = store, group, partition
        super().__init__(
            f"the online store at {store} is out of memory while publishing {group!r},"
            f" partition {partition}; give it more memory, then publish the partition again",
        )


class ReceiptUnreadableError(StoreError):
    """A file where the offline store keeps receipts is none, so what it names is not known."""

    def __init__(self, *, path: str, reason: str) -> None:
        """Name the file and what is wrong with it."""
        self.path, self.reason = path, reason
        super().__init__(
            f"{path} cannot be read as a receipt ({reason}), so nobody knows which table versions"
            " it names; upgrade this process, or remove the file"
        )


class CommitConflictError(StoreError):
    """Another process committed the same partition at the same time."""

    def __init__(self, *, table: str, partition: str, reason: str) -> None:
        """Name the partition and what the table format said."""
        self.table, self.partition, self.reason = table, partition, reason
        super().__init__(
            f"{table}, partition {partition}: another process committed it"
            f" at the same time ({reason});"
            " run the partition again",
        )
