"""Whatever was committed, in whatever order: an export shows the Delta table as it is."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.contract.feature_group import DType, FeatureGroupSpec, FeatureSpec
from headrace.resources.offline.offline_store import OfflineStore, TableKind
from headrace.resources.offline.table_spec import feature_table
from headrace.tests.resources.iceberg.mirrors import Mirror, committed
from headrace.tests.resources.offline.tables import SPEND, commit, day, snapshot_rows

DAYS, HOUSEHOLDS = range(3), range(4)
Step: TypeAlias = tuple[str, int, frozenset[int]]

steps: st.SearchStrategy[list[Step]] = st.lists(
    st.tuples(
        st.sampled_from(["commit", "commit", "append", "compact", "widen", "export"]),
        st.sampled_from(DAYS),
        st.frozensets(st.sampled_from(HOUSEHOLDS)),
    ),
    max_size=8,
)


def group(features: int) -> FeatureGroupSpec:
    """The group with so many features added since it began."""
    added = (
        FeatureSpec(f"more_{number}", DType.INT64, nullable=True) for number in range(features)
    )
    return replace(SPEND, features=(*SPEND.features, *added))


@pytest.fixture(autouse=True)
def no_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))


@given(schedule=steps)
@settings(max_examples=12)
def test_an_export_equals_the_table_after_any_schedule(schedule: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        mirror = Mirror(Path(folder), OfflineStore(f"{folder}/offline"))
        features = 0
        commit(mirror.store.table(feature_table(group(0), buckets=2)), 0, snapshot_rows(0, {}))

        for number, (step, at, households) in enumerate(schedule):
            features += step == "widen"
            _take(mirror, group(features), (step, at, households), float(number))
        mirror.export()

        stored = mirror.store.stored_table(TableKind.FEATURES, "spend")
        assert stored is not None
        expected, read = committed(stored), mirror.read()
        assert {*read.columns} == {*expected.columns}
        assert read.select(expected.columns).sort(expected.columns).equals(expected)
        assert mirror.files() == {*stored.snapshot().files()}
        assert mirror.export().no_op


def _take(mirror: Mirror, spec: FeatureGroupSpec, step: Step, value: float) -> None:
    kind, at, households = step
    table = mirror.store.table(feature_table(spec, buckets=2))
    rows = snapshot_rows(at, dict.fromkeys(households, value))
    match kind:
        case "commit":
            added = [
                pl.lit(value).cast(dtype).alias(name) for name, dtype in table.spec.columns[4:]
            ]
            commit(table, at, rows.with_columns(added))
        case "append":  # as another writer may leave small files for compaction
            copies = rows.with_columns(
                event_date=pl.lit(day(at)), entity_bucket=pl.lit(0, pl.Int32)
            )
            write_deltalake(table.uri, copies.to_arrow(), mode="append", schema_mode="merge")
        case "compact":
            DeltaTable(table.uri).optimize.compact()
        case "export":
            mirror.export()
