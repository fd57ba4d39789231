"""The rows of one group in an answer, as a client reads them: statuses and values by columns."""

from collections.abc import Sequence
from functools import cached_property
from itertools import product

import numpy as np
import numpy.typing as npt

from ..contract.proto.headrace.v1 import feature_service_pb2 as pb
from ..contract.row_batches import Batch, Block, Flags
from ..contract.row_layouts import Numbers
from ..contract.rows import Value
from ..contract.status import value_status
from .contract_messages import GroupContract

# By failed, found, stale, null: each a bit of the index, the first the highest.
_STATUSES = np.array(
    [
        value_status(failed=failed, found=found, stale=stale, null=null)
        for failed, found, stale, null in product((False, True), repeat=4)
    ],
    np.int8,
)
_FAILED, _FOUND, _STALE = 8, 4, 2


class GroupRows:
    """The rows of one group, one per entity, as the server sent them.

    Values of STALE rows are kept. A row that was written before its group had a feature has it as
    NULL; one that was written under a schema that the contract lacks is an ERROR.
    """

    def __init__(self, contract: GroupContract, rows: Sequence[bytes]) -> None:
        """Keep serialized `FeatureRow`s; they are decoded when something is asked of them."""
        self.contract, self._rows = contract, rows

    def __len__(self) -> int:
        """The number of entities."""
        return len(self._rows)

    @cached_property
    def batch(self) -> Batch:
        """The rows, decoded."""
        return self.contract.decoder.decode(self._rows)

    def nulls(self, names: tuple[str, ...]) -> Flags | None:
        """Which values of these features are null, or of no row; `None`: none is."""
        blocks = self.batch.blocks
        if len(blocks) == 1 and len(blocks[0].places) == len(self):
            return self._nulls(blocks[0], names)
        found = np.ones((len(self), len(names)), np.bool_)
        for block in blocks:
            nulls = self._nulls(block, names)
            found[block.places] = False if nulls is None else nulls
        return found

    def statuses(self, names: tuple[str, ...]) -> npt.NDArray[np.int8]:
        """A `Status` per entity and feature."""
        nulls = self.nulls(names)
        if nulls is None:
            return np.repeat(_STATUSES[self._judged][:, np.newaxis], len(names), axis=1)
        return _STATUSES[self._judged[:, np.newaxis] + nulls]

    def numbers(self, names: tuple[str, ...]) -> npt.NDArray[np.float64]:
        """Values of numeric features as float64 (entities × features); anything where null."""
        blocks, decoder = self.batch.blocks, self.contract.decoder
        if len(blocks) == 1 and len(blocks[0].places) == len(self):
            return blocks[0].numbers(decoder.pick(blocks[0].codec, names))
        found = np.zeros((len(self), len(names)))
        for block in blocks:
            found[block.places] = block.numbers(decoder.pick(block.codec, names))
        return found

    def native(self, name: str) -> Numbers | None:
        """One feature's values in the type in which rows hold them; anything where null.

        Days for dates, microseconds for timestamps; `None` for a type of variable width, and where
        rows of several schemas or forms disagree on the type.
        """
        found: Numbers | None = None
        for block, feature in self._holders(name):
            values = block.native(feature)
            if values is None or (found is not None and found.dtype != values.dtype):
                return None
            if found is None:
                found = np.zeros(len(self), values.dtype)
            found[block.places] = values
        return found

    def values(self, name: str) -> list[Value]:
        """One feature's values; anything where null."""
        holders = self._holders(name)
        if len(holders) == 1 and len(holders[0][0].places) == len(self):
            return holders[0][0].values(holders[0][1])
        found: list[Value] = [None] * len(self)
        for block, feature in holders:
            for place, value in zip(block.places.tolist(), block.values(feature), strict=True):
                found[place] = value
        return found

    def _holders(self, name: str) -> list[tuple[Block, int]]:
        """The blocks whose schema has a feature, with its place there."""
        places = ((block, block.codec.named.get(name)) for block in self.batch.blocks)
        return [(block, place) for block, place in places if place is not None]

    def _nulls(self, block: Block, names: tuple[str, ...]) -> Flags | None:
        return block.nulls(self.contract.decoder.pick(block.codec, names))

    @cached_property
    def _judged(self) -> npt.NDArray[np.int8]:
        """For each row, the place in `_STATUSES` of its values that are not null."""
        heads = self.batch.heads
        failed = (heads.statuses == pb.ROW_STATUS_ERROR) | (heads.found & ~heads.readable)
        stale = heads.statuses == pb.ROW_STATUS_STALE
        judged: npt.NDArray[np.int8] = (
            failed * np.int8(_FAILED) + heads.found * np.int8(_FOUND) + stale * np.int8(_STALE)
        )
        return judged
