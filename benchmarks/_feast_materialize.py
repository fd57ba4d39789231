"""Feast's way into the online store. Runs in Feast's environment, which knows nothing of ours.

.venv-feast/bin/python benchmarks/_feast_materialize.py FOLDER PORT
"""

import json
import sys
import tempfile
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path

import redis
from _cost import measured  # type: ignore[import-not-found]  # beside this script
from feast import (
    Entity,
    FeatureStore,
    FeatureView,
    Field,
    FileSource,
    RepoConfig,
    ValueType,
)
from feast.repo_config import RegistryConfig
from feast.types import Float64, Int64

FEATURES = 10
END = datetime(2026, 6, 2, 12, tzinfo=UTC)


def main() -> None:
    """Print what `materialize` cost, with its DuckDB engine."""
    folder, port = Path(sys.argv[1]), int(sys.argv[2])
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as repository, redis.Redis(port=port) as client:
        store = _store(folder, port, repository)
        used = _server_cpu_seconds(client)
        with measured() as cost:
            store.materialize(END - timedelta(days=1), END)
        server = _server_cpu_seconds(client) - used
    print(json.dumps({**cost, "server_cpu_seconds": server}))


def _store(folder: Path, port: int, repository: str) -> FeatureStore:
    store = FeatureStore(
        config=RepoConfig(
            project="benchmark",
            provider="local",
            registry=RegistryConfig(path=f"{repository}/registry.db"),
            repo_path=repository,
            offline_store={"type": "duckdb"},
            online_store={"type": "redis", "connection_string": f"127.0.0.1:{port}"},
            entity_key_serialization_version=3,
        )
    )
    customer = Entity(name="customer", join_keys=["customer_id"], value_type=ValueType.INT64)
    view = FeatureView(
        name="spend",
        entities=[customer],
        ttl=timedelta(days=365),
        schema=[
            Field(name="customer_id", dtype=Int64),
            *(Field(name=f"f{number}", dtype=Float64) for number in range(FEATURES)),
        ],
        source=FileSource(
            name="spend",
            path=str(folder / "feast.parquet"),
            timestamp_field="event_timestamp",
            created_timestamp_column="created",
        ),
    )
    store.apply([customer, view])
    return store


def _server_cpu_seconds(client: redis.Redis) -> float:
    used = client.info("cpu")
    return float(used["used_cpu_user"]) + float(used["used_cpu_sys"])


if __name__ == "__main__":
    main()
