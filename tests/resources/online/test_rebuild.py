"""A store that came back empty, or is a second one, and what is read from it meanwhile."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis

from headrace.contract.clock import Clock
from headrace.contract.errors import StateLostError, StoreUnavailableError
from headrace.contract.feature_group import FeatureServiceSpec, Online
from headrace.contract.status import Status
from headrace.resources.offline.offline_store import OfflineStore
from headrace.resources.offline.table_spec import feature_table
from headrace.resources.online.local_valkey import LocalValkey
from headrace.resources.online.online_store import OnlineStore
from headrace.resources.online.rebuild import Rebuild, rebuild_group
from headrace.resources.online.registry import Registry
from headrace.serving.client import FeatureClient
from headrace.tests.resources.online.publishing import Stage, day, group_of, key_of, stage_of
from headrace.tests.serving.running import Gate, served, settings
from headrace.tests.valkey import environment_of

pytestmark = pytest.mark.server

HOUSEHOLDS = (1, 2, 3, 4, 9)
SERVICE = FeatureServiceSpec("model", 1, ("household_spend:spend",), ("team:test",))


def commit_days(stage: Stage) -> None:
    """Three days, of which the second was corrected; household 4 vanishes, 9 never was."""
    hour: tuple[object, ...] = () if stage.group.online is Online.SNAPSHOT else (9,)
    stage.commit(1, [(household, *hour, 1.0) for household in (1, 2, 3, 4)])
    stage.commit(2, [(household, *hour, 2.0) for household in (1, 2, 4)])
    stage.commit(2, [(household, *hour, 2.5) for household in (1, 2)])
    stage.commit(3, [(1, *hour, 3.0)])


@pytest.fixture(params=Online)
def stage(request: pytest.FixtureRequest, valkey_url: str, tmp_path: Path) -> Stage:
    """A published group."""
    stage = stage_of(group_of(request.param), valkey_url, tmp_path)
    commit_days(stage)
    for number in (1, 2, 3):
        stage.publish(number)
    stage.registry.register_services([SERVICE])
    assert stage.verify().is_clean
    return stage


def rebuild(stage: Stage) -> Rebuild:
    stage.registry.project()
    return rebuild_group(stage.group, stage.table, online=stage.online, registry=stage.registry)


def flush(url: str) -> None:
    with redis.Redis.from_url(url) as client:
        client.flushall()
        client.function_flush()


def stored(url: str, namespace: str = "test") -> Mapping[bytes, object]:
    """Everything that a namespace holds, but for what is drawn anew."""
    with redis.Redis.from_url(url) as client:
        found: dict[bytes, object] = {}
        for key in client.keys("*"):
            hash_keys = (b":intents:", b":markers:", b":epoch:")
            is_hash = key.startswith(b"headrace:") and any(part in key for part in hash_keys)
            found[key] = client.hgetall(key) if is_hash else client.get(key)
    ours = f"headrace:{namespace}:".encode()
    drawn = (ours + b"manifest:", ours + b"catalogue", ours + b"epoch:")
    return {
        key: value
        for key, value in found.items()
        if not key.startswith(drawn) and key.startswith((b"{", ours, b"headrace:ids"))
    }


@contextmanager
def looked_up(url: str) -> Iterator[FeatureClient]:
    chosen = settings(url, namespace="test", clock=lambda: Clock(day(4)))
    with served(chosen) as address, FeatureClient(address) as client:
        yield client


def statuses(client: FeatureClient) -> list[Status]:
    got = client.get_online_features(
        feature_service="model", entities={"household_id": list(HOUSEHOLDS)}
    )
    return [Status(number) for (number,) in got.statuses.tolist()]


def test_a_flushed_store_is_the_same_again(stage: Stage, valkey_url: str) -> None:
    before, manifest = stored(valkey_url), stage.registry.manifest()
    flush(valkey_url)

    rebuilt = rebuild(stage)

    assert rebuilt.complete
    assert stored(valkey_url) == before
    assert replace(stage.registry.manifest(), previous=None) == replace(manifest, previous=None)
    assert stage.verify().is_clean


def test_of_an_upsert_group_each_entity_is_written_once(valkey_url: str, tmp_path: Path) -> None:
    stage = stage_of(group_of(Online.UPSERT), valkey_url, tmp_path)
    for number in (1, 2, 3):
        stage.commit(number, [(household, 9, float(number)) for household in range(100)])

    assert rebuild(stage).rows == 100
    assert stage.verify().equal == 100


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 3, 1)])
def test_until_everything_is_back_reads_are_errors(
    stage: Stage, valkey_url: str, order: tuple[int, ...]
) -> None:
    with looked_up(valkey_url) as client:
        before = statuses(client)
        flush(valkey_url)

        seen = [statuses(client)]
        for number in order:
            stage.publish(number)
            seen.append(statuses(client))

    lost = [Status.ERROR] * len(HOUSEHOLDS)
    last = order.index(3) + 1 if stage.group.online is Online.SNAPSHOT else len(order)
    assert seen == [lost] * last + [before] * (len(order) + 1 - last)
    assert before[-1] is Status.NOT_FOUND
    assert stage.verify().is_clean


def test_the_first_registration_gives_back_the_whole_catalogue(
    stage: Stage, valkey_url: str, tmp_path: Path
) -> None:
    """Or a running server would call the other groups unknown until their turn comes."""
    other = stage_of(group_of(Online.SNAPSHOT, name="other"), valkey_url, tmp_path)
    other.commit(1, [(1, 1.0)])
    other.publish(1)
    manifest = stage.registry.manifest()
    flush(valkey_url)

    other.publish(1)

    assert replace(stage.registry.manifest(), previous=None) == replace(manifest, previous=None)


def test_a_publish_that_the_flush_surprised_stops(stage: Stage, valkey_url: str) -> None:
    claim = stage.rows().begin(key_of(3), 1)
    flush(valkey_url)
    rebuild(stage)

    with pytest.raises(StateLostError):
        stage.rows().put(claim, [stage.key(9)], [b"\x09" + bytes(8) + b"\x15" + bytes(4)])


def test_publishes_beside_a_rebuild_end_in_the_newest_commits(
    stage: Stage, valkey_url: str, tmp_path: Path
) -> None:
    hour: tuple[object, ...] = () if stage.group.online is Online.SNAPSHOT else (9,)
    flush(valkey_url)

    def publish_forever() -> None:
        own = stage_of(stage.group, valkey_url, tmp_path)
        for turn, number in enumerate((3, 2, 1) * 3):
            households = {5 + turn % 3, 9 + turn % 2, number}  # some vanish, and come back
            own.commit(number, [(household, *hour, 7.0) for household in households])
            own.publish(number)

    with ThreadPoolExecutor(2) as threads:
        publishing = threads.submit(publish_forever)
        rebuilt = [rebuild(stage).complete for _ in range(4)]
        publishing.result()

    assert all(rebuilt)
    verified = stage.verify()
    assert verified.is_clean
    assert verified.superseded == 0


def test_a_correction_in_the_middle_of_a_rebuild_is_what_it_ends_with(
    valkey_url: str, tmp_path: Path
) -> None:
    """Household 4 has its newest row in a generation that is replaced before it is written."""
    behind = stage_of(group_of(Online.UPSERT), valkey_url, tmp_path)
    behind.commit(1, [(4, 9, 1.0)])
    behind.commit(2, [(4, 9, 2.0), (1, 9, 2.0)])
    with (
        Gate(valkey_url, holds=b"\r\nMSET\r\n") as gate,
        ThreadPoolExecutor(1) as thread,
    ):
        through = replace(behind, online=OnlineStore(gate.url, "test"))
        gate.open.clear()
        rebuilding = thread.submit(rebuild, through)
        assert gate.holding.wait(30)

        behind.commit(2, [(1, 9, 3.0)])
        behind.publish(2)
        gate.open.set()
        rebuilt = rebuilding.result(30)
        through.online.close()

    assert rebuilt.complete
    assert {household: value for household, (_, _, value) in behind.served().items()} == {
        1: 3.0,
        4: 1.0,
    }
    assert behind.verify().is_clean


class UncomparingStore(OnlineStore):
    """A store that refuses the calls by which rows are compared."""

    def call_packed(self, calls: Sequence[bytes]) -> list[Any]:
        message = f"{len(calls)} batches would be compared"
        raise NotImplementedError(message)


def test_rows_of_an_upsert_group_are_found_newest_first_and_written_oldest_first(
    valkey_url: str, tmp_path: Path
) -> None:
    """Then each of them lies ahead of those before it, and none has to be compared."""
    stage = stage_of(group_of(Online.UPSERT), valkey_url, tmp_path)
    for number in range(1, 7):
        hours = ((household, household % 24) for household in range(0, 240, number))
        stage.commit(number, [(*at, float(number)) for at in hours])

    rebuilt = rebuild(replace(stage, online=UncomparingStore(valkey_url, "test")))

    assert rebuilt == Rebuild("household_spend@1", 6, 240, complete=True)
    assert stage.verify().equal == 240


class DyingStore(OnlineStore):
    """A process that dies when it is about to call a Function."""

    dies_at = "finish"

    def call(
        self, function: str, keys: Sequence[bytes], arguments: Sequence[bytes | str | int]
    ) -> Any:  # noqa: ANN401  # as its parent
        if function == self.dies_at:
            raise StoreUnavailableError(store=self.address, reason="the process was killed")
        return super().call(function, keys, arguments)


@pytest.mark.parametrize("dies_at", ["begin", "finish", "complete"])
def test_a_rebuild_that_broke_off_leaves_errors_and_is_repeated(
    stage: Stage, valkey_url: str, dies_at: str
) -> None:
    if dies_at == "complete" and stage.group.online is Online.SNAPSHOT:
        dies_at = "begin"  # a snapshot group is complete with its newest partition
    dying = DyingStore(valkey_url, "test")
    dying.dies_at = dies_at
    with looked_up(valkey_url) as client:
        before = statuses(client)
        flush(valkey_url)
        with pytest.raises(StoreUnavailableError):
            rebuild(replace(stage, online=dying))
        half = statuses(client)

        missing = stage.unpublished()
        rebuild(stage)
        after = statuses(client)

    assert half == [Status.ERROR] * len(HOUSEHOLDS)
    assert missing != []
    assert after == before
    assert stage.verify().is_clean


def test_a_second_store_is_filled_and_its_other_namespaces_stay(
    stage: Stage, tmp_path: Path
) -> None:
    home = tmp_path / "second"
    home.mkdir()
    with LocalValkey(environment_of(home)) as second:
        stranger = Stage(
            group_of(Online.SNAPSHOT, name="stranger"),
            OnlineStore(second.url, "elsewhere"),
            OfflineStore(str(tmp_path / "elsewhere")),
        )
        # Its id is another one than that of the group that comes beside it.
        stranger.registry.register(replace(stranger.group, version=7))
        stranger.commit(1, [(1, 1.0)])
        stranger.publish(1)
        theirs = stored(second.url, "elsewhere")
        copy = Stage(stage.group, OnlineStore(second.url, "test"), stage.offline)

        rebuilt = rebuild(copy)

        assert rebuilt.complete
        assert copy.verify().is_clean
        assert copy.served() == stage.served()
        assert stranger.verify().is_clean
        kept = {key: value for key, value in theirs.items() if key != b"headrace:ids"}
        assert kept.items() <= stored(second.url, "elsewhere").items()
    assert stage.verify().is_clean
    assert Registry(stage.online, stage.offline).project() == stage.registry.manifest()


def test_ids_and_flips_are_restored_in_an_empty_store(
    stage: Stage, valkey_url: str, tmp_path: Path
) -> None:
    second = stage_of(replace(stage.group, version=2), valkey_url, tmp_path)
    commit_days(second)
    for number in (1, 2, 3):
        second.publish(number)
    stage.registry.go_live({"household_spend": 2})
    group = stage.registry.manifest().groups["household_spend"]
    flush(valkey_url)

    rebuild(second)

    assert stage.registry.manifest().groups["household_spend"] == group
    assert second.verify().is_clean


def test_a_deferred_commit_that_was_asked_for_is_restored_and_others_are_not(
    valkey_url: str, tmp_path: Path
) -> None:
    stage = stage_of(group_of(Online.SNAPSHOT), valkey_url, tmp_path)
    stage.commit(1, [(1, 1.0)])
    stage.publish(1)
    stage.commit(2, [(1, 2.0)], publish="deferred")
    stage.publish(2)
    stage.commit(3, [(1, 3.0)], publish="deferred")
    before = stage.served()
    flush(valkey_url)

    unpublished = stage.unpublished()
    rebuild(stage)

    assert unpublished == [key_of(1), key_of(2)]
    assert stage.served() == before
    assert [value for *_, value in before.values()] == [2.0]


def test_a_group_in_buckets_is_rebuilt_bucket_by_bucket(valkey_url: str, tmp_path: Path) -> None:
    stage = stage_of(group_of(Online.UPSERT), valkey_url, tmp_path)
    stage.table = stage.offline.table(feature_table(stage.group, buckets=4))
    for number in (1, 2):
        stage.commit(number, [(household, 9, 1.0) for household in range(number, 300)])

    assert rebuild(stage).rows == 299
    assert stage.verify().equal == 299


def test_rows_that_were_changed_behind_its_back_are_written_again(
    stage: Stage, valkey_url: str
) -> None:
    row = stage.rows().rows([stage.key(1)])[0]
    assert row is not None
    with redis.Redis.from_url(valkey_url) as client:
        client.set(stage.key(1), row[:-1] + bytes([row[-1] ^ 1]))
    assert not stage.verify().is_clean

    rebuild(stage)

    assert stage.verify().is_clean
