"""Some features cut out of stored rows: rows of a schema that has these alone.

Rows of one form are cut together, as lines of a matrix of bytes; what has values of variable width,
or another form, is decoded and encoded again.
"""

from collections.abc import Container, Iterator, Sequence

import numpy as np
from google.protobuf.message import DecodeError

from .feature_group import FeatureSpec
from .order import decode_order
from .row_batches import Batch, BatchDecoder, Block, LaidOut, Pick
from .row_layouts import Form, Layout
from .rows import Row, RowCodec, codecs

_BROKEN = b""


class RowProjection:
    """Cuts rows of all schemas of a group; several threads may use it.

    Attributes:
        features: Those that are left, in the order of the current schema.
    """

    def __init__(self, schemas: Sequence[Sequence[FeatureSpec]], names: Container[str]) -> None:
        """Keep the features of these names; the last schema is the current one."""
        self.features = tuple(feature for feature in schemas[-1] if feature.name in names)
        self._names = tuple(feature.name for feature in self.features)
        self._codec = RowCodec(self.features, 0)
        self._decoder = BatchDecoder(codecs(schemas))
        self._layouts: dict[Form, Layout] = {}

    def cut(self, rows: Sequence[bytes | None]) -> list[bytes | None]:
        """The rows with these features alone; a feature that a row's schema lacks is null there.

        Rows of unknown schemas, and what has no order, stay as they are. What cannot be decoded at
        all becomes empty.
        """
        made = list(rows)
        try:
            batch = self._decoder.decode([row or b"" for row in rows])
        except DecodeError:
            if len(made) == 1:
                return [_BROKEN]
            return [cut for row in rows for cut in self.cut([row])]
        for block in batch.blocks:
            for place, row in self._cut(block, batch):
                if _has_order(rows[place]):
                    made[place] = row
        return made

    def _cut(self, block: Block, batch: Batch) -> Iterator[tuple[int, bytes]]:
        pick = self._decoder.pick(block.codec, self._names)
        if not isinstance(block, LaidOut) or not self._codec.is_fixed:
            yield from self._encoded(block, pick, batch)
            return
        nulls = block.nulls(pick)
        if nulls is None:
            nulls = np.zeros((len(block.places), len(self._names)), np.bool_)
        has_null = nulls.any(axis=1)
        for has_bitmap, chosen in ((False, ~has_null), (True, has_null)):
            places = block.places[chosen].tolist()
            width = block.layout.form.version_width
            layout = self._layout(Form(0, width, has_bitmap=has_bitmap, has_status=False))
            lines = layout.blank(nulls[chosen])
            held = [place for place, at in enumerate(pick.features.tolist()) if at >= 0]
            sources = [block.codec.places[pick.features[place]] for place in held]
            targets = [self._codec.places[place] for place in held]
            lines[:, layout.bytes_of(targets)] = block.lines[chosen][
                :, block.layout.bytes_of(sources)
            ]
            raw = lines.tobytes()
            starts = range(0, len(raw), layout.size)
            yield from zip(places, (raw[at : at + layout.size] for at in starts), strict=True)

    def _encoded(self, block: Block, pick: Pick, batch: Batch) -> Iterator[tuple[int, bytes]]:
        """The same of rows that have no places to cut at."""
        nulls, count = block.nulls(pick), len(block.places)
        columns = [
            [None] * count if feature < 0 else block.values(feature)
            for feature in pick.features.tolist()
        ]
        heads = batch.heads
        for line, place in enumerate(block.places.tolist()):
            values = tuple(
                None if nulls is not None and nulls[line, at] else column[line]
                for at, column in enumerate(columns)
            )
            head = heads.event_timestamps, heads.generations, heads.table_versions
            timestamp, generation, version = (int(numbers[place]) for numbers in head)
            yield place, self._codec.encode(Row(timestamp, generation, version, values))

    def _layout(self, form: Form) -> Layout:
        layout = self._layouts.get(form)
        if layout is None:
            layout = self._layouts[form] = Layout(self._codec, form)
        return layout


def _has_order(row: bytes | None) -> bool:
    try:
        decode_order(row or b"")
    except ValueError:
        return False
    return True
