"""The inputs of a computation, each read at one version of its table as long as a run lasts."""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from ..contract.errors import InputNotCommittedError
from ..resources.offline.offline_store import OfflineStore
from ..resources.offline.table_snapshot import TableSnapshot
from ..resources.offline.table_spec import WHOLE
from .declarations import AnyInput, AssetPath, Dimension, FeatureGroup, InputWindow, Source
from .held import held_among
from .input_use import InputUse
from .model_inputs import TrainingSet


@dataclass(frozen=True, slots=True)
class PinnedInputs:
    """The snapshots of all inputs of a reader, taken once: all partitions of a run see the same."""

    reader: FeatureGroup | TrainingSet
    store: OfflineStore
    snapshots: Mapping[str, TableSnapshot]

    @classmethod
    def of(
        cls,
        reader: FeatureGroup | TrainingSet,
        store: OfflineStore,
        versions: Mapping[str, int] | None = None,
    ) -> "PinnedInputs":
        """Pin each input's table, by its name at one of these versions, else at the newest."""
        tables = {each.name: store.table(upstream_of(each).table) for each in reader.inputs}
        at = versions or {}
        return cls(
            reader,
            store,
            {name: table.snapshot(version=at.get(name)) for name, table in tables.items()},
        )

    def check(self, partition: str) -> None:
        """Refuse a partition whose newest input is not there yet.

        What lies further back in a window may be absent: one missing day must not stop a 30-day
        window for a month. The window is computed without it, and again when it arrives.

        Raises:
            InputNotCommittedError: A dimension, or an input partition inside the partition's own
                window, was never committed.
        """
        for each in self._dimensions():
            if WHOLE not in self.snapshots[each.name].commits:
                raise self._not_committed(partition, each, [])
        own = self.reader.partitions.window(partition)
        for window in self.reader.input_windows(partition):
            upstream = window.input.upstream
            absent = [
                key
                for key in window.partitions
                if key not in self.snapshots[upstream.name].commits
                and upstream.partitions.window(key).start >= own.start
            ]
            if absent:
                raise self._not_committed(partition, upstream, absent)

    def frames(self, partition: str) -> dict[str, pl.LazyFrame]:
        """What the reader's function sees, by the inputs' names."""
        frames = {each.name: self.snapshots[each.name].scan() for each in self._dimensions()}
        for window in self.reader.input_windows(partition):
            frames[window.input.name] = self.snapshots[window.input.name].scan(window.partitions)
        return frames

    def uses(self, partition: str) -> tuple[InputUse, ...]:
        """What these frames hold, as the commits say."""
        return (
            *(self._use(each, (WHOLE,), is_complete=True) for each in self._dimensions()),
            *(self._window_use(each) for each in self.reader.input_windows(partition)),
        )

    def _window_use(self, window: InputWindow) -> InputUse:
        return self._use(window.input.upstream, window.partitions, is_complete=window.is_complete)

    def _use(
        self,
        upstream: Source | Dimension | FeatureGroup,
        partitions: tuple[str, ...],
        *,
        is_complete: bool,
    ) -> InputUse:
        snapshot = self.snapshots[upstream.name]
        commits = snapshot.commits
        return InputUse(
            asset=asset_name(upstream),
            version=snapshot.version,
            generations={key: commits[key].generation for key in partitions if key in commits},
            absent=tuple(key for key in partitions if key not in commits),
            is_complete=is_complete,
        )

    def _dimensions(self) -> list[Dimension]:
        return [each for each in self.reader.inputs if isinstance(each, Dimension)]

    def _not_committed(
        self, partition: str, upstream: Source | Dimension | FeatureGroup, absent: list[str]
    ) -> InputNotCommittedError:
        return InputNotCommittedError(
            subject=subject(self.reader),
            partition=partition,
            asset=asset_name(upstream),
            absent=absent,
            held=held_among(absent, upstream, self.store),
            reference=reference_of(upstream),
        )


def subject(reader: FeatureGroup | TrainingSet) -> str:
    """How messages name a reader."""
    if isinstance(reader, FeatureGroup):
        return f"feature group {reader.spec.reference!r}"
    return f"training set {reader.name!r}"


def reference_of(upstream: Source | Dimension | FeatureGroup) -> str:
    """What a command calls an input."""
    return upstream.spec.reference if isinstance(upstream, FeatureGroup) else upstream.name


def upstream_of(each: AnyInput) -> Source | Dimension | FeatureGroup:
    """What an input is an input of."""
    return each if isinstance(each, Dimension) else each.upstream


def asset_path(upstream: Source | Dimension | FeatureGroup) -> AssetPath:
    """The asset whose rows a reader of this sees."""
    return upstream.offline_path if isinstance(upstream, FeatureGroup) else upstream.asset_path


def asset_name(upstream: Source | Dimension | FeatureGroup) -> str:
    """Its asset key as people write it."""
    return "/".join(asset_path(upstream))
