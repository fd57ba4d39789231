"""A primary with a replica and three sentinels: what waits, what is lost, what is noticed."""

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from headrace.contract.durability import Durability
from headrace.contract.errors import (
    HistoryLostError,
    NotReplicatedError,
    StoreError,
    UnsupportedStoreError,
)
from headrace.contract.feature_group import Online
from headrace.contract.order import FIRST, Order, encode_order
from headrace.resources.offline.offline_store import OfflineStore
from headrace.resources.online.online_store import OnlineStore
from headrace.serving.reader import Reader
from headrace.serving.reading import Reading, Values
from headrace.serving.settings import StoreSettings
from headrace.tests.resources.online.publishing import Stage, group_of, key_of
from headrace.tests.valkey_processes import Processes, Watched, watched

pytestmark = [pytest.mark.server, pytest.mark.slow]

HOUSEHOLDS = 400_000  # so many that their publish is still under way when it is broken off


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Watched]:
    with Processes(tmp_path) as processes:
        yield watched(processes)


@pytest.fixture(params=[Online.UPSERT, Online.SNAPSHOT])
def stage(service: Watched, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    with OnlineStore(service.url, "test") as online:
        yield Stage(group_of(request.param), online, OfflineStore(str(tmp_path / "offline")))


def waiting_for(stage: Stage, replicas: int, seconds: float = 10) -> None:
    patience = timedelta(seconds=seconds)
    stage.online.durability = Durability(0, {stage.group.name: replicas}, patience)


def rows_of(stage: Stage, households: int, value: float) -> list[tuple[object, ...]]:
    if stage.group.online is Online.SNAPSHOT:
        return [(household, value) for household in range(households)]
    return [(household, 9, value) for household in range(households)]


def test_a_publish_reports_how_many_replicas_have_its_rows(stage: Stage, service: Watched) -> None:
    waiting_for(stage, 1)
    stage.commit(1, rows_of(stage, 1000, 1.0))

    assert stage.publish(1).replicas == 1
    assert service.replica.client.exists(stage.key(0), stage.key(999)) == 2


def test_a_publish_that_too_few_replicas_have_gets_no_marker_until_they_do(
    stage: Stage, service: Watched
) -> None:
    waiting_for(stage, 1, seconds=0.2)
    stage.commit(1, rows_of(stage, 1000, 1.0))
    service.replica.stop()

    with pytest.raises(NotReplicatedError, match="0 of 1 replicas"):
        stage.publish(1)

    assert stage.state().markers == {}
    assert stage.unpublished() == [key_of(1)]
    service.replica.go_on()
    waiting_for(stage, 1)
    assert stage.publish(1).replicas == 1
    assert stage.verify().is_clean


def test_what_a_failover_lost_is_noticed_and_published_again(
    stage: Stage, service: Watched
) -> None:
    stage.commit(1, rows_of(stage, 1000, 1.0))
    stage.publish(1)
    stage.online.replicate(1)
    service.cut_off()
    stage.commit(2, rows_of(stage, 1000, 2.0))
    stage.publish(2)  # confirmed by the primary alone
    service.primary.kill()
    service.replica.go_on()
    service.await_promotion()

    assert stage.unpublished() == [key_of(2)]
    assert not stage.verify().is_clean
    stage.publish(2)
    assert stage.verify().is_clean
    assert stage.verify().equal == 1000


def test_a_publish_that_goes_on_after_a_failover_does_not_count_as_finished(
    stage: Stage, service: Watched
) -> None:
    stage.commit(1, rows_of(stage, 1000, 1.0))
    stage.publish(1)
    commit = stage.commit(1, rows_of(stage, 1000, 2.0))
    rows = stage.rows()
    claim = rows.begin(key_of(1), commit.generation)
    stage.online.replicate(1)
    service.cut_off()
    rows.put(claim, [stage.key(0)], [encode_order(Order(2**50, 2))])
    service.primary.kill()
    service.replica.go_on()
    service.await_promotion()

    # Intent and epoch survived, and say nothing of rows that were lost behind them.
    with pytest.raises(HistoryLostError):
        rows.finish(claim, watermark=FIRST, floor=None)

    assert stage.unpublished() == [key_of(1)]
    stage.publish(1)
    assert stage.verify().equal == 1000


def test_a_failover_in_the_middle_of_a_publish_ends_in_a_proven_state(
    stage: Stage, service: Watched
) -> None:
    stage.commit(1, rows_of(stage, HOUSEHOLDS, 1.0))
    stage.publish(1)
    stage.online.replicate(1)
    stage.commit(1, rows_of(stage, HOUSEHOLDS, 2.0))
    with ThreadPoolExecutor(1) as thread:
        publishing = thread.submit(stage.publish, 1)
        _await_row_of_generation(stage, service, 2)
        service.cut_off()  # from here on the replica misses what the primary confirms
        _await_more_writes(service)
        service.primary.kill()
        service.replica.go_on()
        with pytest.raises(StoreError):
            publishing.result()
    service.await_promotion()

    assert stage.unpublished() == [key_of(1)]
    assert stage.publish(1).generation == 2
    assert stage.verify().is_clean
    assert stage.verify().equal == HOUSEHOLDS
    assert {value for _, _, value in stage.served().values()} == {2.0}


def _await_row_of_generation(stage: Stage, service: Watched, generation: int) -> None:
    key = stage.key(0)

    def is_there() -> bool:
        raw = service.primary.client.get(key)
        return isinstance(raw, bytes) and int.from_bytes(raw[10:14], "little") == generation

    _spin(is_there)


def _await_more_writes(service: Watched) -> None:
    offset = service.primary.replication()["master_repl_offset"]
    _spin(lambda: service.primary.replication()["master_repl_offset"] > offset + 100_000)


def _spin(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline


def reading() -> Reading[Values]:
    return (yield [b"key"])


def test_the_server_reads_the_new_primary_after_a_failover(service: Watched) -> None:
    service.primary.client.set("key", b"value")
    service.primary.client.wait(1, 10_000)

    async def read() -> None:
        reader = Reader(StoreSettings(service.url, timedelta(seconds=5)))

        assert await reader.run(reading()) == [b"value"]
        await asyncio.to_thread(service.fail_over)
        assert await reader.run(reading()) == [b"value"]
        await reader.close()

    asyncio.run(read())


def test_a_replica_is_refused(service: Watched) -> None:
    with (
        OnlineStore(f"redis://127.0.0.1:{service.replica.port}", "test") as online,
        pytest.raises(UnsupportedStoreError, match="replica"),
    ):
        online.check()
