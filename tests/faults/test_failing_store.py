"""The online store stalls, is full, drops connections, or comes back with nothing."""

import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import redis

from headrace.contract.errors import OutOfMemoryError, StoreUnavailableError
from headrace.contract.feature_group import Online
from headrace.resources.online import connecting
from headrace.resources.online.local_valkey import LocalValkey
from headrace.tests.faults.cutting_proxy import cutting_proxy
from headrace.tests.faults.scenes import CORRECTION, Scene, Take
from headrace.tests.faults.sends import when_rows_are_sent
from headrace.tests.resources.online.publishing import stage_of
from headrace.tests.valkey import environment_of

pytestmark = pytest.mark.server


@pytest.fixture
def online() -> Online:
    return Online.UPSERT


@pytest.fixture
def scene(online: Online, valkey_url: str, tmp_path: Path) -> Scene:
    scene = Scene(online, CORRECTION, valkey_url, tmp_path)
    scene.prepare()
    return scene


def through(take: Take, url: str) -> Take:
    """The same stores, the online one spoken to at another address."""
    return replace(take, stage=stage_of(take.stage.group, url, take.folder), url=url)


def check_recovery(take: Take) -> None:
    take.check_answers()
    take.recover()
    take.check_answers()
    take.check_proof()


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def pid_of(url: str) -> int:
    with redis.Redis.from_url(url) as client:
        return int(client.info("server")["process_id"])


def test_a_store_that_stalls_for_longer_than_its_timeout_is_named(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connecting.OPTIONS, "socket_timeout", 0.3)
    take = scene.take()
    impatient = through(take, scene.url)

    with stopped(pid_of(scene.url)), pytest.raises(StoreUnavailableError) as raised:
        impatient.stage.publish(take.day)

    assert "check that it runs, then repeat the call" in str(raised.value)
    check_recovery(take)


@pytest.mark.slow
@pytest.mark.parametrize("online", list(Online))
def test_a_store_that_stalls_for_five_seconds_is_waited_for(scene: Scene) -> None:
    take, pid = scene.take(), pid_of(scene.url)
    waking = threading.Timer(5, os.kill, (pid, signal.SIGCONT))

    def stall() -> None:
        os.kill(pid, signal.SIGSTOP)
        waking.start()

    when_rows_are_sent(take.stage.online, stall, after=False)
    began = time.monotonic()
    take.stage.publish(take.day)

    assert time.monotonic() - began >= 5
    take.check_answers()
    take.check_proof()


def test_a_full_store_says_so_and_goes_on_serving(scene: Scene) -> None:
    take = scene.take()
    before = take.stage.served()

    with redis.Redis.from_url(scene.url) as client:
        client.config_set("maxmemory", client.info("memory")["used_memory"] - 1)
        try:
            with pytest.raises(OutOfMemoryError) as raised:
                take.stage.publish(take.day)
            assert take.stage.served() == before
        finally:
            client.config_set("maxmemory", 0)

    assert "give it more memory, then publish the partition again" in str(raised.value)
    check_recovery(take)


def test_a_store_that_fills_up_in_the_middle_serves_whole_rows(scene: Scene) -> None:
    take = scene.take()

    with redis.Redis.from_url(scene.url) as client:
        when_rows_are_sent(take.stage.online, lambda: client.config_set("maxmemory", 1), after=True)
        with pytest.raises(OutOfMemoryError):
            take.stage.publish(take.day)
        take.check_answers()
        client.config_set("maxmemory", 0)

    check_recovery(take)


def reply_bytes(scene: Scene) -> int:
    """How many bytes of replies a publish reads."""
    take = scene.take()
    with cutting_proxy(scene.url) as proxy:
        through(take, proxy.url).stage.publish(take.day)
        return proxy.passed


def check_cut(scene: Scene, place: int, *, again: bool) -> None:
    take = scene.take()
    with cutting_proxy(scene.url) as proxy:
        proxy.cut_at, proxy.cut_again = place, again
        try:
            through(take, proxy.url).stage.publish(take.day)
            is_published = True
        except StoreUnavailableError:
            is_published = False
        assert proxy.cuts
    assert not (again and is_published)
    if is_published:
        take.check_proof()
    check_recovery(take)


@pytest.mark.parametrize("again", [False, True])
def test_connections_may_be_dropped_in_the_middle_of_a_reply(scene: Scene, *, again: bool) -> None:
    total = reply_bytes(scene)

    for place in (total // 3, total * 2 // 3):
        check_cut(scene, place, again=again)


@pytest.mark.slow
@pytest.mark.parametrize("online", list(Online))
@pytest.mark.parametrize("again", [False, True])
def test_connections_may_be_dropped_anywhere(scene: Scene, *, again: bool) -> None:
    total = reply_bytes(scene)

    for place in range(1, total, max(1, total // 12)):
        check_cut(scene, place, again=again)


@pytest.mark.parametrize(
    ("online", "keeps_its_data"), [(Online.UPSERT, False), (Online.SNAPSHOT, True)]
)
def test_a_store_that_is_killed_in_the_middle_of_a_write_is_made_up_for(
    online: Online, tmp_path: Path, *, keeps_its_data: bool
) -> None:
    environment = environment_of(tmp_path / "home")
    with LocalValkey(environment) as valkey:
        scene = Scene(online, CORRECTION, valkey.url, tmp_path / "scene")
        scene.prepare()
        take, pid = scene.take(), valkey.pid
        when_rows_are_sent(take.stage.online, lambda: os.kill(pid, signal.SIGKILL), after=True)
        with pytest.raises(StoreUnavailableError):
            take.stage.publish(take.day)
    if not keeps_its_data:
        shutil.rmtree(environment.home / "valkey" / "appendonlydir")

    with LocalValkey(environment):
        take = replace(take, stage=stage_of(take.stage.group, valkey.url, take.folder))
        assert take.stage.verify().is_clean is False
        check_recovery(take)
