"""The online store dies while rows are written."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import redis

from headrace.contract.errors import StoreUnavailableError
from headrace.contract.feature_group import Online
from headrace.resources.online.local_valkey import LocalValkey
from headrace.tests.resources.online.publishing import Stage, group_of, stage_of
from headrace.tests.valkey import environment_of

pytestmark = pytest.mark.server

HOUSEHOLDS = 100_000


def kill_when_it_holds(valkey: LocalValkey, rows: int) -> None:
    with redis.Redis.from_url(valkey.url) as client:
        pid = valkey.pid
        while client.dbsize() < rows:
            pass
        os.kill(pid, signal.SIGKILL)


def publish_while_killing(stage: Stage, valkey: LocalValkey) -> StoreUnavailableError:
    with ThreadPoolExecutor(1) as thread:
        killing = thread.submit(kill_when_it_holds, valkey, HOUSEHOLDS // 2)
        with pytest.raises(StoreUnavailableError) as raised:
            stage.publish(1)
        killing.result()
    return raised.value


def test_a_publish_that_the_store_did_not_survive_is_repaired_by_publishing_again(
    tmp_path: Path,
) -> None:
    environment = environment_of(tmp_path)
    with LocalValkey(environment) as valkey:
        stage = stage_of(group_of(Online.UPSERT), valkey.url, tmp_path)
        stage.commit(1, [(household, 9, 1.0) for household in range(HOUSEHOLDS)])

        error = publish_while_killing(stage, valkey)

        assert str(valkey.url) in str(error)
        with LocalValkey(environment):
            broken = stage.served()
            assert 0 < len(broken) < HOUSEHOLDS
            assert set(stage.state().markers) == set()
            stage.publish(1)
            assert stage.verify().equal == HOUSEHOLDS


def test_every_row_served_after_a_crash_is_wholly_of_one_commit(tmp_path: Path) -> None:
    environment = environment_of(tmp_path)
    with LocalValkey(environment) as valkey:
        stage = stage_of(group_of(Online.SNAPSHOT), valkey.url, tmp_path)
        stage.commit(1, [(household, 1.0) for household in range(HOUSEHOLDS)])
        stage.publish(1)
        stage.commit(1, [(household, 2.0) for household in range(HOUSEHOLDS)])

        with ThreadPoolExecutor(1) as thread:
            publishing = thread.submit(stage.publish, 1)
            _kill_in_the_middle(stage, valkey)
            with pytest.raises(StoreUnavailableError):
                publishing.result()

        with LocalValkey(environment):
            served = stage.served()
            rows = {(generation, value) for _, generation, value in served.values()}
            assert len(served) == HOUSEHOLDS
            assert rows <= {(1, 1.0), (2, 2.0)}  # a busy disk may not have got the second yet
            stage.publish(1)
            assert stage.verify().equal == HOUSEHOLDS


def _kill_in_the_middle(stage: Stage, valkey: LocalValkey) -> None:
    """Kill the store once the first row of the second generation is there."""
    pid, rows, keys = valkey.pid, stage.rows(), [stage.key(0)]
    before = rows.rows(keys)
    while rows.rows(keys) == before:
        pass
    os.kill(pid, signal.SIGKILL)
