"""Every error that Headrace raises on purpose.

    HeadraceError
    ├── DefinitionError                  a declaration is wrong; raised at import
    ├── RequestError                     what a caller asked for cannot be answered
    │   ├── InvalidFeatureReferenceError
    │   ├── UnknownNameError             with the nearest names
    │   ├── InvalidEntityError           a join key is missing, unknown or of the wrong type
    │   ├── InvalidArgumentError
    │   ├── TooLargeError
    │   ├── ContractChangedError         a generated client is of another contract than the server
    │   └── RefusedRequestError          what a client raises for what the feature server said
    ├── VersionError                     a version of a group cannot be what was asked
    │   ├── VersionRefusedError          it cannot go live, back, or away
    │   └── VersionDroppedError          it was dropped, and never comes back
    ├── ApprovalError                    what waits for approval cannot be committed as asked
    │   ├── NothingHeldError
    │   └── HeldOutdatedError
    ├── DataError                        rows were refused; nothing was written
    │   ├── ColumnMismatchError
    │   ├── RowsOutsidePartitionError
    │   ├── DuplicateRowsError
    │   ├── SchemaChangeError
    │   ├── SourceUnreadableError
    │   ├── PartitionOutOfRangeError
    │   ├── InputNotCommittedError
    │   ├── EntitiesMixedError           a shard made rows of entities that are not its own
    │   └── ShardFailedError             a shard made no rows, so that nothing was committed
    ├── HistoryError                     what was read once is gone, or is something else by now
    │   ├── TableVersionGoneError
    │   ├── SpineGoneError
    │   └── ContentDiffersError
    ├── StoreError                       a store did not do what it was asked
    │   ├── StoreUnavailableError
    │   ├── StateLostError               the online store lost what says how far it is complete
    │   ├── HistoryLostError             the online store may have lost writes of this publish
    │   ├── NotReplicatedError           too few replicas have the rows of this publish
    │   ├── UnsupportedStoreError        the online store is of a kind that cannot be published to
    │   ├── CatalogueError               the online store's catalogue cannot be read
    │   ├── IdsExhaustedError            the online store has no id left for another group version
    │   ├── FencedError                  a newer computation of the partition is being published
    │   ├── EvictionPolicyError
    │   ├── UnsafeStoreError             the offline store would lose commits
    │   ├── StoreFullError               the offline store has no room left
    │   ├── OutOfMemoryError
    │   ├── ReceiptUnreadableError
    │   └── CommitConflictError
    ├── GroupCheckError                  a feature group does not keep its word on its test's frames
    │   ├── RowsRefusedError             its rows would not be committed
    │   ├── PointInTimeError             it reads rows that it does not declare
    │   ├── NotRepeatableError           the same rows again, and something else comes out
    │   └── LineageDiffersError
    ├── ServerError                      the feature server did not answer a client
    ├── CallError                        the feature server cannot answer a call now
    │   ├── OverloadedError
    │   ├── LimitReachedError            a caller, a feature group or the server is at its limit
    │   └── DeadlineExceededError
    ├── AlertUndeliveredError            the webhook for alerts did not take them
    └── EnvironmentConflictError         this process cannot run here as asked
        ├── HomeInUseError
        ├── PortTakenError
        ├── OutputUnwritableError        a file that was asked for cannot be written
        ├── WorkerFailedError            a worker of the feature server ended as it began
        └── ClockConflictError

A class builds its message from typed fields and keeps them as attributes. How an error reaches a
caller (gRPC status, exit status) is decided at the edge, in one table each.
"""

import difflib
import re
from collections.abc import Iterable, Sequence

_LISTED = 10
_DRAWN = re.compile("\x1b\\[[0-9;]*m|\u21b3")


class HeadraceError(Exception):
    """The root; catch it to catch whatever Headrace raises on purpose."""


class DefinitionError(HeadraceError):
    """A declaration is wrong; raised at import, before anything runs."""

    def __init__(self, *, subject: str, field: str, problem: str, remedy: str) -> None:
        """Name the declared thing, its field, what is wrong and what to do.

        The subject names kind and name: `feature group 'household_spend'`.
        """
        self.subject, self.field, self.problem, self.remedy = subject, field, problem, remedy
        super().__init__(f"{subject}, {field}: {problem}. {remedy}")


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

    def __init__(self, *, kind: str, name: str, known: Iterable[str]) -> None:
        """Say which kind of thing (`feature group`) was asked for by which name, among which."""
        self.kind, self.name, self.known = kind, name, tuple(sorted(known))
        self.nearest = tuple(difflib.get_close_matches(name, self.known, n=3, cutoff=0.5))
        names = self.nearest or self.known[:5]
        hint = (
            f"; did you mean {_either(names)}?"
            if self.nearest
            else f"; known: {', '.join(names) or 'none'}"
        )
        super().__init__(f"there is no {kind} {name!r}{hint}")


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


class VersionError(HeadraceError):
    """A version of a feature group cannot be what was asked of it."""


class VersionRefusedError(VersionError):
    """A version of a feature group cannot be made live, gone back to, or dropped."""

    def __init__(self, *, action: str, subject: str, reason: str, remedy: str) -> None:
        """Say what was asked (`promote`), of which group or version, why not and what to do."""
        self.action, self.subject, self.reason, self.remedy = action, subject, reason, remedy
        super().__init__(f"cannot {action} {subject!r}: {reason}; {remedy}")


class VersionDroppedError(VersionError):
    """A version of a feature group was dropped; it is not published again."""

    def __init__(self, *, group: str) -> None:
        """Name the version."""
        self.group = group
        super().__init__(
            f"feature group {group!r} was dropped, and its number is not used again;"
            " declare the group with the next version instead"
        )


class ApprovalError(HeadraceError):
    """What waits for approval cannot be committed as asked."""


class NothingHeldError(ApprovalError):
    """A partition that is to be approved does not wait for it."""

    def __init__(self, *, group: str, partition: str, held: Sequence[str]) -> None:
        """Name the group version, what was to be approved, and the partitions that do wait."""
        self.group, self.partition, self.held = group, partition, tuple(held)
        remedy = (
            f"these wait: {', '.join(held)}"
            if held
            else "nothing of the group waits; a group is held if it is declared with approval=True,"
            " once `headrace materialize` has computed a partition that differs"
        )
        super().__init__(
            f"{group}: partition {partition} does not wait for approval; {remedy}",
        )


class HeldOutdatedError(ApprovalError):
    """Held rows are no longer what would be computed, so nobody can approve them."""

    def __init__(self, *, group: str, partition: str, changes: Sequence[str]) -> None:
        """Name the group version, the partition, and everything that changed since."""
        self.group, self.partition, self.changes = group, partition, tuple(changes)
        more = f"; and {len(changes) - _LISTED} more" if len(changes) > _LISTED else ""
        super().__init__(
            f"{group}, partition {partition}: what is held is out of date:"
            f" {'; '.join(changes[:_LISTED])}{more}. Compute it again (`headrace materialize"
            f" {group} --partitions {partition}`), look at what is held then, and approve that"
        )


class DataError(HeadraceError):
    """Rows were refused before they were written; what was there stays in place."""


class ColumnMismatchError(DataError):
    """Columns or their types are not the declared ones; nothing is ever cast silently."""

    def __init__(self, *, table: str, differences: Sequence[str]) -> None:
        """List each difference: missing, unexpected, or expected against found type."""
        self.table, self.differences = table, tuple(differences)
        super().__init__(
            f"{table}: columns differ from the declared schema: {'; '.join(differences)}."
            " Cast explicitly in the function, or change the schema",
        )


class RowsOutsidePartitionError(DataError):
    """Rows whose event timestamp does not lie in the partition that they were offered for."""

    def __init__(self, *, table: str, partition: str, count: int, window: str) -> None:
        """Say how many rows lie outside which half-open window."""
        self.table, self.partition, self.count, self.window = table, partition, count, window
        super().__init__(
            f"{table}, partition {partition}: {count} rows lie outside {window};"
            " filter by event timestamp (start <= t < end) before returning them",
        )


class DuplicateRowsError(DataError):
    """Several rows for one (entity, event timestamp), or a join key that is null."""

    def __init__(
        self, *, table: str, partition: str, count: int, key: Sequence[str], problem: str
    ) -> None:
        """Say how many rows break the key, which columns form it and how."""
        self.table, self.partition, self.count, self.key = table, partition, count, tuple(key)
        super().__init__(
            f"{table}, partition {partition}: {count} rows {problem} ({', '.join(key)});"
            " a feature group holds one row per entity and event timestamp",
        )


class SchemaChangeError(DataError):
    """A table's schema would change in a way that its readers cannot follow."""

    def __init__(self, *, table: str, changes: Sequence[str], next_version: int | None) -> None:
        """List the changes; the way forward is a new version of the group.

        `next_version` is that version's number; `None` for a table that has no versions.
        """
        self.table, self.changes, self.next_version = table, tuple(changes), next_version
        remedy = (
            "declare it under another name instead"
            if next_version is None
            else "declare the group with the next version instead, beside this one"
            f" (version={next_version}), backfill it, and promote it when it is complete"
        )
        added = "column" if next_version is None else "feature"
        super().__init__(
            f"{table}: {'; '.join(changes)}."
            f" Only adding a nullable {added} works in place; {remedy}",
        )


class SourceUnreadableError(DataError):
    """The files from which a source or a dimension is read are not there, or are no such files."""

    def __init__(self, *, source: str, reason: str, remedy: str) -> None:
        """Name where the rows should come from, what went wrong and what to do."""
        self.source, self.reason, self.remedy = source, reason, remedy
        super().__init__(f"cannot read {source}: {reason}; {remedy}")


class PartitionOutOfRangeError(DataError):
    """A partition that does not exist: before the history begins, not over yet, or misspelled."""

    def __init__(self, *, subject: str, partition: str, first: str, last: str) -> None:
        """Name the first and the last partition that exist."""
        self.subject, self.partition, self.first, self.last = subject, partition, first, last
        super().__init__(
            f"{subject} has no partition {partition!r}; they run from {first} to {last}"
        )


class InputNotCommittedError(DataError):
    """A partition cannot be computed yet, because its newest input was never committed."""

    def __init__(self, *, subject: str, partition: str, asset: str, absent: Sequence[str]) -> None:
        """Name what waits, and the asset that it waits for.

        `absent` lists that asset's missing partitions; it is empty when it has no partitions.
        """
        self.subject, self.partition, self.asset = subject, partition, asset
        self.absent = tuple(absent)
        keys = f", partition {', '.join(absent)}," if absent else ""
        super().__init__(
            f"{subject}, partition {partition}: its input {asset}{keys} is not committed yet;"
            f" materialize {asset} first (`headrace materialize` computes a group's inputs, too)",
        )


class EntitiesMixedError(DataError):
    """A shard made rows of entities whose rows it was not given."""

    def __init__(self, *, subject: str, partition: str, count: int) -> None:
        """Name the group, and how many rows are of other shards' entities."""
        self.subject, self.partition, self.count = subject, partition, count
        super().__init__(
            f"{subject}, partition {partition}: {count} rows are of entities that belong to another"
            " shard; a function that is computed in shards may make rows of an entity from that"
            " entity's own rows alone: change it, or declare shards=1",
        )


class ShardFailedError(DataError):
    """A shard of a partition made no rows, so that nothing of the partition was committed."""

    def __init__(
        self, *, subject: str, partition: str, shard: int, shards: int, reason: str
    ) -> None:
        """Name the shard, counted from 0, and why it has no rows."""
        self.subject, self.partition = subject, partition
        self.shard, self.shards, self.reason = shard, shards, reason
        super().__init__(
            f"{subject}, partition {partition}: shard {shard} of 0..{shards - 1} made no rows"
            f" ({reason}); remove the cause and run the partition again, all of its steps",
        )


class HistoryError(HeadraceError):
    """What was read once is not there any more, or is something else by now."""


class TableVersionGoneError(HistoryError):
    """A version of a feature table cannot be read any more."""

    def __init__(self, *, group: str, version: int, reason: str) -> None:
        """Name the group and its version, the Delta version of its table, and what became of it."""
        self.group, self.version, self.reason = group, version, reason
        super().__init__(f"version {version} of the table of {group} is gone: {reason}")


class SpineGoneError(HistoryError):
    """The spine of a training set is not kept where its receipt says."""

    def __init__(self, *, spine: str, part: str, store: str) -> None:
        """Name the spine by its hash, the part that is missing, and the store."""
        self.spine, self.part, self.store = spine, part, store
        super().__init__(
            f"the spine {spine} is gone: {store} does not keep its part {part};"
            " give the spine with --spine"
        )


class ContentDiffersError(HistoryError):
    """A spine, or what was joined to it, is not what the receipt says."""

    def __init__(self, *, what: str, expected: str, found: str, columns: Sequence[str]) -> None:
        """Say what differs (`spine`, `training set`), both hashes, and in which columns."""
        self.what, self.expected, self.found = what, expected, found
        self.columns = tuple(columns)
        where = f"in {', '.join(columns)}" if columns else "in the order of its columns"
        super().__init__(
            f"the {what} has hash {found}, the receipt says {expected}: it differs {where}"
        )


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
    """The offline store has no room for a commit; what was committed before stays as it was."""

    def __init__(self, *, store: str, partition: str, reason: str) -> None:
        """Name the store, what could not be committed, and what the store said."""
        self.store, self.partition, self.reason = store, partition, reason
        super().__init__(
            f"the store at {store} is full, partition {partition} was not committed: {reason};"
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


class GroupCheckError(HeadraceError):
    """A feature group does not keep its word on the frames of its test."""

    def __init__(self, *, group: str, problem: str, remedy: str) -> None:
        """Name the group, what was found, and what to do."""
        self.group, self.problem, self.remedy = group, problem, remedy
        super().__init__(f"feature group {group!r}: {problem}. {remedy}")


class RowsRefusedError(GroupCheckError):
    """The rows that a feature group computes would not be committed."""


class PointInTimeError(GroupCheckError):
    """A feature group reads rows outside the windows that it declares, or other than its inputs."""


class NotRepeatableError(GroupCheckError):
    """A feature group computes something else from the same rows."""


class LineageDiffersError(GroupCheckError):
    """Features are computed from other columns than was said."""


class ServerError(HeadraceError):
    """The feature server did not answer: it is gone, overloaded, too slow, or without its store."""

    def __init__(self, *, server: str, code: str, reason: str) -> None:
        """Name the server by its address, the gRPC status and the reason."""
        self.server, self.code, self.reason = server, code, reason
        super().__init__(f"the feature server at {server} did not answer ({code}): {reason}")


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


class EnvironmentConflictError(HeadraceError):
    """This process cannot run here as asked."""


class HomeInUseError(EnvironmentConflictError):
    """Another `headrace up` runs on the same home."""

    def __init__(self, *, home: str, pid: int) -> None:
        """Name the home and the process that holds it."""
        self.home, self.pid = home, pid
        super().__init__(
            f"another `headrace up` (process {pid}) runs on {home};"
            " stop it, or set HEADRACE_HOME to another folder",
        )


class PortTakenError(EnvironmentConflictError):
    """A port that was asked for is in use."""

    def __init__(self, *, address: str, purpose: str, option: str) -> None:
        """Name the address, what it was for and the option that changes it."""
        self.address, self.purpose, self.option = address, purpose, option
        super().__init__(f"{address} is in use, wanted for {purpose}; choose another with {option}")


class OutputUnwritableError(EnvironmentConflictError):
    """A file or folder that was asked for cannot be written; nothing of it was left behind."""

    def __init__(self, *, path: str, reason: str) -> None:
        """Name the path and what the operating system said."""
        self.path, self.reason = path, reason
        super().__init__(
            f"{path} cannot be written: {reason}; make room or rights there, or name another place"
        )


class WorkerFailedError(EnvironmentConflictError):
    """A worker of the feature server ended before it served."""

    def __init__(self, *, number: int, status: int) -> None:
        """Give its number and its exit status; negative is the signal that ended it."""
        self.number, self.status = number, status
        super().__init__(
            f"worker {number} of the feature server ended before it served (exit status {status});"
            " what it said above says why",
        )


class ClockConflictError(EnvironmentConflictError):
    """`HEADRACE_CLOCK` differs from the one that this home was created with."""

    def __init__(self, *, home: str, recorded: str, asked: str) -> None:
        """Name both clocks."""
        self.home, self.recorded, self.asked = home, recorded, asked
        super().__init__(
            f"HEADRACE_CLOCK is {asked}, but {home} runs at {recorded};"
            " unset it to join, or choose another HEADRACE_HOME",
        )


def _either(names: Sequence[str]) -> str:
    return " or ".join(repr(name) for name in names)


def _shown(value: object) -> str:
    return "nothing" if value is None else f"{value!r} ({type(value).__name__})"
