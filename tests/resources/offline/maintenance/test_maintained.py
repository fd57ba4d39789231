from collections.abc import Sequence
from pathlib import Path

import pytest
from deltalake import DeltaTable
from deltalake.transaction import AddAction

from headrace.resources.offline import history_refresh
from headrace.resources.offline.history import Stamp, history_of
from headrace.resources.offline.maintenance.maintained import Kept, maintain_table
from headrace.resources.offline.offline_store import OfflineStore
from headrace.resources.offline.table_spec import feature_table
from headrace.tests.resources.offline.tables import SPEND, commit, snapshot_rows


def test_maintenance_goes_on_when_an_earlier_one_refreshes_the_history_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = OfflineStore(str(tmp_path)).table(feature_table(SPEND))
    for number in range(2):
        commit(table, number, snapshot_rows(number, {1: 1.0}))
    unhindered = history_refresh._commit  # noqa: SLF001 - no other way to be between its steps

    def behind_another(
        handle: DeltaTable, written: Sequence[AddAction], months: Sequence[str], stamp: Stamp
    ) -> None:
        monkeypatch.setattr(history_refresh, "_commit", unhindered)
        earlier = Stamp(stamp.covers - 1, stamp.table)
        unhindered(DeltaTable(handle.table_uri), written, months, earlier)
        unhindered(handle, written, months, stamp)

    monkeypatch.setattr(history_refresh, "_commit", behind_another)

    done = maintain_table(table, Kept())

    history = history_of(table.snapshot())
    assert done.history is not None
    assert history is not None
    assert (done.history.covers, history.covers) == (2, 2)
    assert done.checkpoint == 2
    assert Path(tmp_path, "history/spend/v1/_delta_log/_last_checkpoint").exists()
