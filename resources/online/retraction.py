"""Upsert groups: taking back what earlier generations of a partition published.

The guard cannot: a correction may drop an entity, or move its event timestamp back. A stored row is
obsolete when its event timestamp lies in the partition's window and its generation is an earlier
one, whichever publish wrote it.

What replaces an obsolete row is chosen from the commits whose publish had begun when the group's
revision was read, and refused by the store when the revision has moved since (a publish begins):
then it is chosen again. So no publish that begins meanwhile is overlooked; one that begins later
finds what was put in place, and judges it itself. A commit whose publish has not begun needs no
care: its publish will write.

Those rows may be of a commit that added a feature since this publish began. So they are written
under the document that is in force by then.
"""

from dataclasses import dataclass

import polars as pl

from ...contract.errors import TableVersionGoneError
from ...contract.feature_group import FeatureGroupSpec
from ...contract.keys import ENTITY_AT, entity_decoder
from ...contract.order import decode_order
from ...contract.rows import to_microseconds
from ..offline.commit_log import Commit
from ..offline.offline_table import OfflineTable
from ..offline.table_spec import EVENT_TIMESTAMP
from .entity_search import newest_of_entities
from .group_state import Claim, GroupState
from .online_group import OnlineGroup
from .projection import commit_of, commits_of, scan_commit, window_of
from .registration import registered
from .registry import Registry
from .row_encoding import encode_keys, encode_values

_SLICE_ROWS = 50_000
_NOW = "event_date"  # reserved: no feature and no join key bears this name


@dataclass(frozen=True, slots=True)
class Retraction:
    """Takes back rows of one group."""

    group: FeatureGroupSpec
    group_id: int
    table: OfflineTable
    rows: OnlineGroup
    registry: Registry

    def run(self, commit: Commit, claim: Claim) -> int:
        """Replace what earlier generations of a partition left behind, once its rows are written.

        Returns:
            How many rows were replaced or removed.

        Raises:
            FencedError: A greater generation of the partition is being published.
            StateLostError: The store was flushed since the publish began.
        """
        left = self._left_behind(commit, claim)
        return sum(self._retract_slice(claim, part) for part in left.iter_slices(_SLICE_ROWS))

    def _retract_slice(self, claim: Claim, entities: pl.DataFrame) -> int:
        keys, retracted = encode_keys(self.group, self.group_id, entities), 0
        while True:
            # The state is read before the rows: an intent raised later makes `retract` refuse.
            state = self.rows.state()
            stored = self.rows.rows(keys)
            obsolete = [place for place, row in enumerate(stored) if self._is_obsolete(claim, row)]
            if not obsolete:
                return retracted
            remaining = self._remaining(state, claim, entities[obsolete])
            changes = [
                (keys[place], row, remaining.get(keys[place]))
                for place in obsolete
                if (row := stored[place]) is not None
            ]
            retracted += self.rows.retract(claim, state.revision, changes)

    def _left_behind(self, commit: Commit, claim: Claim) -> pl.DataFrame:
        """The entities of which earlier generations of the partition may have left a row online.

        Those that had a later row there than in this commit, which is written by now: of the others
        no row of the partition can be stored that is below this commit's.
        """
        snapshot, names = self.table.snapshot(), list(self.group.entity.key_names)
        found = [commit_of(snapshot, claim.partition, number) for number in claim.left_behind]
        try:
            earlier = [scan_commit(snapshot, each) for each in found if each is not None]
        except TableVersionGoneError:
            return self._stored_entities()
        if not earlier:
            return pl.DataFrame(schema=snapshot.scan([]).select(names).collect_schema())
        latest = pl.col(EVENT_TIMESTAMP).max()
        now = scan_commit(snapshot, commit).group_by(names).agg(latest.alias(_NOW))
        return (
            pl.concat(earlier)
            .group_by(names)
            .agg(latest)
            .join(now, on=names, how="left")
            .filter(pl.col(_NOW).is_null() | (pl.col(EVENT_TIMESTAMP) > pl.col(_NOW)))
            .select(names)
            .collect()
        )

    def _stored_entities(self) -> pl.DataFrame:
        """Every entity that has a row online, found by walking over the whole store.

        Maintenance keeps what a publish may have to take back; whoever vacuums by other means, or
        publishes from a version that old, pays with this walk and not with a wrong answer.
        """
        decode = entity_decoder(self.group.entity)
        entities = [decode(key[ENTITY_AT:]) for key in self.rows.stored_keys()]
        schema = {name: self.table.spec.schema[name] for name in self.group.entity.key_names}
        return pl.DataFrame(entities, schema=schema, orient="row")

    def _is_obsolete(self, claim: Claim, row: bytes | None) -> bool:
        if row is None:
            return False
        order, window = decode_order(row), window_of(self.group, claim.partition)
        start, end = to_microseconds(window.start), to_microseconds(window.end)
        return start <= order.event_timestamp < end and order.generation < claim.generation

    def _remaining(
        self, state: GroupState, claim: Claim, entities: pl.DataFrame
    ) -> dict[bytes, bytes]:
        """The newest row of each entity that is published, by online key."""
        pinned = registered(self.group, self.table.snapshot(), self.registry)
        group, snapshot = pinned.group, pinned.snapshot
        # Rows of later partitions need no help: they are greater than the obsolete one.
        begun = {key: number for key, number in state.intents.items() if key <= claim.partition}
        commits = commits_of(snapshot, begun).values()
        found: dict[bytes, bytes] = {}
        for commit, part in newest_of_entities(group, snapshot, commits, entities):
            keys = encode_keys(group, self.group_id, part)
            found.update(zip(keys, encode_values(group, part, commit), strict=True))
        return found
