"""Feast's way to the training set. Runs in Feast's environment, which knows nothing of ours.

.venv-feast/bin/python benchmarks/_feast_join.py FOLDER ENGINE [restated]
"""

import json
import sys
import tempfile
import warnings
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from _cost import measured  # type: ignore[import-not-found]  # beside this script
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.repo_config import RegistryConfig
from feast.types import Float64, Int64

GROUPS, FEATURES = 5, 3


def main() -> None:
    """Print what `get_historical_features` cost, from the spine's file to an Arrow table."""
    folder, engine, is_restated = Path(sys.argv[1]), sys.argv[2], "restated" in sys.argv[3:]
    warnings.simplefilter("ignore")
    features = [f"g{group}:f{feature}" for group in range(GROUPS) for feature in range(FEATURES)]
    with tempfile.TemporaryDirectory() as repository:
        store = _store(folder, engine, repository, is_restated=is_restated)
        with measured() as cost:
            spine = pd.read_parquet(folder / "spine.parquet")
            table = store.get_historical_features(
                entity_df=spine, features=features, full_feature_names=True
            ).to_arrow()
    suffix = "_restated" if is_restated else ""
    _keep(table, folder / f"result-feast_{engine}{suffix}.parquet")
    print(json.dumps({**cost, "rows": table.num_rows}))


def _store(folder: Path, engine: str, repository: str, *, is_restated: bool) -> FeatureStore:
    store = FeatureStore(
        config=RepoConfig(
            project="benchmark",
            provider="local",
            registry=RegistryConfig(path=f"{repository}/registry.db"),
            repo_path=repository,
            offline_store={"type": engine},
            online_store={"type": "sqlite", "path": f"{repository}/online.db"},
            entity_key_serialization_version=3,
        )
    )
    customer = Entity(name="customer", join_keys=["customer_id"], value_type=ValueType.INT64)
    views = [
        FeatureView(
            name=f"g{group}",
            entities=[customer],
            ttl=timedelta(days=30),
            schema=[
                Field(name="customer_id", dtype=Int64),
                *(Field(name=f"f{feature}", dtype=Float64) for feature in range(FEATURES)),
            ],
            source=FileSource(
                name=f"rows_{group}",
                path=str(folder / f"g{group}{'_restated' * is_restated}" / "*.parquet"),
                timestamp_field="event_timestamp",
                created_timestamp_column="created" if is_restated else "",
            ),
        )
        for group in range(GROUPS)
    ]
    store.apply([customer, *views])
    return store


def _keep(table: pa.Table, path: Path) -> None:
    columns = ["row", *(f"g{group}__f{f}" for group in range(GROUPS) for f in range(FEATURES))]
    # What pandas went through has NaN for null; the rows have no NaN of their own.
    frame = table.select(columns).to_pandas()
    kept = pa.Table.from_pandas(frame, preserve_index=False)
    pq.write_table(kept, path)


if __name__ == "__main__":
    main()
