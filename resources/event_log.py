"""Dagster's event log on SQLite, with connections that stay open.

For each event Dagster's own storage opens one or two databases, and so lets SQLite synchronize and
check them. A backfill writes four events per partition, which took longer than computing it. The
tables and their places are Dagster's: either storage reads what the other wrote.
"""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.sql import create_engine
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import ConfigurableClassData
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import StaticPool

_KEPT = 8  # one database per run: whoever browses old runs must not collect open files


class EventLog(SqliteEventLogStorage):
    """The event log that a home's `dagster.yaml` names.

    A killed process loses no event; a machine that loses power may lose the last ones, which is why
    nothing of ours relies on them: what is committed stands in Delta's log.
    """

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        """Name the folder; what Dagster's configuration says."""
        self._engines: OrderedDict[str, Engine] = OrderedDict()
        super().__init__(base_dir, inst_data)

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "EventLog":
        """What Dagster calls with the validated configuration."""
        return cls(inst_data=inst_data, **config_value)

    def dispose(self) -> None:
        """Close all databases."""
        with self._db_lock:
            while self._engines:
                self._engines.popitem()[1].dispose()
        super().dispose()

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        # One thread at a time, as in the storage that this replaces.
        with self._db_lock, self._engine(shard).connect() as connection, connection.begin():
            yield connection

    def _engine(self, shard: str) -> Engine:
        engine = self._engines.get(shard) or self._opened(shard)
        self._engines[shard] = engine
        self._engines.move_to_end(shard)
        if len(self._engines) > _KEPT:
            self._engines.popitem(last=False)[1].dispose()
        return engine

    def _opened(self, shard: str) -> Engine:
        engine = create_engine(
            self.conn_string_for_shard(shard),
            poolclass=StaticPool,
            connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
        )
        if shard not in self._initialized_dbs:
            self._initdb(engine)
            self._initialized_dbs.add(shard)
        with engine.connect() as connection:
            # The write-ahead log is in force; it needs no synchronization for each commit.
            connection.exec_driver_sql("PRAGMA synchronous = NORMAL")
        return engine
