"""Reads behind real sentinels: of the primary that they name, and of a replica if asked."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace.serving.store.engine import Engine
from headrace.tests.serving.answering import handler, request
from headrace.tests.serving.publishing import Memory, Publisher, group
from headrace.tests.serving.store.driving import calls, engine, healed, read, result
from headrace.tests.valkey_processes import Processes, Watched, until, watched

pytestmark = [pytest.mark.server, pytest.mark.slow]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Watched]:
    with Processes(tmp_path) as processes:
        made = watched(processes)
        publisher = Publisher(made.primary.client, "default")
        publisher.publish(group(), {(1,): (12.5, 3), (2,): (1.0, 1)})
        made.primary.client.wait(1, 10_000)
        yield made


def look_up(reader: Engine, households: list[int]) -> bytes:
    asked = request(["household_spend:spend_30d"], household_id=households)
    return result(reader, handler().get_online_features(asked))


def test_a_replica_is_read_and_what_it_lacks_is_read_of_the_primary(service: Watched) -> None:
    """Absent entities, and rows below a floor that the replica has before the rows above it."""
    publisher = Publisher(service.primary.client, "default")
    publisher.group_id(group())
    with engine(service.url) as plain, engine(service.url, from_replicas=True) as reader:
        before = calls(service.primary.client)
        present = look_up(reader, [1, 2])
        asked = calls(service.primary.client) - before
        absent = look_up(reader, [1, 3])
        asked_for_absent = calls(service.primary.client) - before
        absent_there = look_up(plain, [1, 3])
        service.replica.client.config_set("replica-read-only", "no")
        publisher.write(group(), {(1,): (13.5, 3)}, generation=2)
        publisher.guard(group(), generation=2)
        until(lambda: service.replica.client.get(publisher.guard_key(group())))
        service.primary.client.wait(1, 10_000)
        service.replica.client.set(publisher.key(group(), (1,)), lagging(publisher))
        behind = look_up(reader, [1, 2])

        assert (asked, asked_for_absent) == (0, 1)
        assert absent == absent_there
        assert behind == look_up(plain, [1, 2])
        assert present != behind


def lagging(publisher: Publisher) -> bytes:
    """The row of household 1 before it was published again."""
    memory = Memory()
    Publisher(memory, "default").write(group(), {(1,): (12.5, 3)})
    return memory[publisher.key(group(), (1,))]


def test_without_a_replica_the_primary_is_read(service: Watched) -> None:
    with engine(service.url) as plain, engine(service.url, 0.5, from_replicas=True) as reader:
        expected = look_up(plain, [1, 2, 3])
        first = look_up(reader, [1, 2, 3])
        service.replica.kill()
        second = look_up(reader, [1, 2, 3])

    assert first == second == expected


def test_a_cache_follows_the_primary_through_a_failover(service: Watched) -> None:
    with engine(service.url, cache_bytes=1 << 20) as reader:
        before = look_up(reader, [1, 2])
        service.fail_over()
        publisher = Publisher(service.replica.client, "default")
        publisher.write(group(), {(1,): (13.5, 3)}, generation=2)
        healed(reader, lambda: read(b"{AA}nothing"))
        after = look_up(reader, [1, 2])
        with engine(service.url) as plain:
            expected = look_up(plain, [1, 2])

    assert after == expected != before
