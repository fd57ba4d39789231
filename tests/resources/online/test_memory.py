"""What rows take, what is said of it, and what happens when it is not there."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from headrace.contract.errors import OutOfMemoryError
from headrace.contract.feature_group import DType, FeatureSpec, Online
from headrace.resources.online.local_valkey import LocalValkey
from headrace.resources.online.memory import StoreMemory, bytes_of_row, group_memory, store_memory
from headrace.resources.online.rebuild import rebuild_group
from headrace.tests.resources.online.publishing import SPEND, group_of, key_of, stage_of
from headrace.tests.valkey import environment_of

pytestmark = pytest.mark.server

HOUSEHOLDS = 20_000
NAME = FeatureSpec("name", DType.STRING)


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """A Valkey of this test's own: its limits are changed."""
    (tmp_path / "own").mkdir()
    with LocalValkey(environment_of(tmp_path / "own")) as valkey:
        yield valkey.url


def limit(url: str, spare: int) -> None:
    """Leave the store some bytes; negative: nothing at all."""
    with redis.Redis.from_url(url) as client:
        used = int(client.info("memory")["used_memory"])
        client.config_set("maxmemory", used + spare)


def unlimited(url: str) -> None:
    with redis.Redis.from_url(url) as client:
        client.config_set("maxmemory", 0)


@pytest.mark.parametrize("length", [1, 20, 70, 71, 72, 90, 200, 300, 1000])
@pytest.mark.parametrize("key", [14, 24, 40])
def test_the_prediction_is_near_to_what_the_server_says(url: str, key: int, length: int) -> None:
    with redis.Redis.from_url(url) as client:
        client.set(b"k" * key, b"v" * length)
        said = client.memory_usage(b"k" * key)

    assert said is not None
    assert abs(bytes_of_row(key, length) - 14 - said) <= 16


def test_a_group_says_what_its_rows_take(url: str, tmp_path: Path) -> None:
    stage = stage_of(group_of(Online.UPSERT, (SPEND, NAME)), url, tmp_path)
    for number in (1, 2):
        stage.commit(number, [(each, 9, 1.0, "x" * (each % 50)) for each in range(HOUSEHOLDS)])
        stage.publish(number)
    with redis.Redis.from_url(url) as client:
        before = _of_keys(client)
        memory = group_memory(stage.group, stage.table, stage.online, stage.registry)
        client.execute_command("FLUSHALL", "SYNC")  # without SYNC it is freed later
        really = before - _of_keys(client)

    assert memory is not None
    assert (memory.rows, memory.rows_are_at_most) == (HOUSEHOLDS, False)
    assert memory.sampled_bytes_per_row is not None
    assert memory.predicted_bytes_per_row == pytest.approx(memory.sampled_bytes_per_row, rel=0.1)
    assert memory.predicted_bytes == pytest.approx(really, rel=0.2)


def _of_keys(client: redis.Redis) -> int:
    """What keys and values take; `used_memory` also counts the buffers of connections."""
    stats: Any = client.memory_stats()
    return int(stats["dataset.bytes"]) + int(stats["db.0"]["overhead.hashtable.main"])


def test_the_limit_of_the_store_is_told(url: str, tmp_path: Path) -> None:
    stage = stage_of(group_of(Online.UPSERT), url, tmp_path)
    before = store_memory(stage.online)
    with redis.Redis.from_url(url) as client:
        client.config_set("maxmemory", 10**9)

    assert before.max_bytes is None
    assert before.used_bytes > 0
    assert isinstance(store_memory(stage.online), StoreMemory)
    assert store_memory(stage.online).max_bytes == 10**9


@pytest.mark.parametrize("spare", [-1, 1_000_000])
@pytest.mark.parametrize("online", Online)
def test_a_full_store_refuses_with_a_clear_error_and_serves_what_it_held(
    online: Online, spare: int, url: str, tmp_path: Path
) -> None:
    """Full from the beginning, or in the middle: among the rows of a partition."""
    hour: tuple[object, ...] = () if online is Online.SNAPSHOT else (9,)
    stage = stage_of(group_of(online), url, tmp_path)
    stage.commit(1, [(each, *hour, 1.0) for each in range(100)])
    stage.publish(1)
    before = stage.served()
    stage.commit(2, [(each, *hour, 2.0) for each in range(HOUSEHOLDS)])
    limit(url, spare)

    with pytest.raises(OutOfMemoryError, match=f"'household_spend@1', partition {key_of(2)}"):
        stage.publish(2)

    held, state = stage.served(), stage.state()
    assert set(held) >= set(before)
    assert {value for _, _, value in held.values()} <= {1.0, 2.0}
    assert key_of(2) not in state.markers
    assert state.floor is not None
    verified = stage.verify()
    assert (verified.differing, verified.missing, verified.extra) == (0, 0, 0)
    assert verified.unpublished == (key_of(2),)
    unlimited(url)
    stage.publish(2)
    assert stage.verify().is_clean
    assert stage.verify().equal == HOUSEHOLDS


def test_a_rebuild_that_ran_out_of_memory_is_completed_by_the_next(
    url: str, tmp_path: Path
) -> None:
    stage = stage_of(group_of(Online.UPSERT), url, tmp_path)
    stage.commit(1, [(each, 9, 1.0) for each in range(HOUSEHOLDS)])
    stage.registry.register(stage.group)
    limit(url, 1_000_000)

    with pytest.raises(OutOfMemoryError):
        rebuild_group(stage.group, stage.table, online=stage.online, registry=stage.registry)

    assert stage.state().floor is None
    unlimited(url)
    rebuild_group(stage.group, stage.table, online=stage.online, registry=stage.registry)
    assert stage.verify().equal == HOUSEHOLDS
