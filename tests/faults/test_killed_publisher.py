"""The publishing process is killed, between any two steps of a publish and in the middle of one."""

import random
import time
from pathlib import Path

import pytest

from headrace.contract.feature_group import Online
from headrace.tests.faults.dying import Death, Moment, Publisher
from headrace.tests.faults.scenes import CORRECTION, FIRST, LATE_CORRECTION, NEXT, Scene, Take

pytestmark = pytest.mark.server

EVERY_SCENE = [
    (online, step) for online in Online for step in (FIRST, CORRECTION, NEXT, LATE_CORRECTION)
]


def scene_of(online: Online, step: int, url: str, folder: Path) -> Scene:
    scene = Scene(online, step, url, folder)
    scene.prepare()
    return scene


def check_recovery(take: Take) -> None:
    take.check_answers()
    take.recover()
    take.check_answers()
    take.check_proof()


def check_death(scene: Scene, death: Death) -> None:
    take = scene.take()
    Publisher(take, death).wait_for_death()
    check_recovery(take)


@pytest.mark.parametrize(
    ("online", "step"), [(Online.SNAPSHOT, FIRST), (Online.UPSERT, CORRECTION)]
)
def test_a_publisher_that_dies_here_or_there_is_made_up_for(
    online: Online, step: int, valkey_url: str, tmp_path: Path
) -> None:
    scene = scene_of(online, step, valkey_url, tmp_path)
    sends = Publisher(scene.take()).wait_for_end()

    for number in range(8, sends + 1, 7):
        check_death(scene, Death(number, Moment.AFTER))


@pytest.mark.slow
@pytest.mark.parametrize(("online", "step"), EVERY_SCENE)
def test_a_publisher_may_die_at_every_boundary_of_its_steps(
    online: Online, step: int, valkey_url: str, tmp_path: Path
) -> None:
    scene = scene_of(online, step, valkey_url, tmp_path)
    sends = Publisher(scene.take()).wait_for_end()

    for number in range(1, sends + 1):
        check_death(scene, Death(number, Moment.AFTER))


@pytest.mark.slow
@pytest.mark.parametrize("online", list(Online))
def test_a_publisher_may_die_in_the_middle_of_everything_that_it_sends(
    online: Online, valkey_url: str, tmp_path: Path
) -> None:
    scene = scene_of(online, CORRECTION, valkey_url, tmp_path)
    sends = Publisher(scene.take()).wait_for_end()

    for number in range(1, sends + 1):
        check_death(scene, Death(number, Moment.WITHIN))


@pytest.mark.slow
@pytest.mark.parametrize(("online", "step"), EVERY_SCENE)
def test_a_publisher_may_be_killed_at_any_time_while_rows_are_read(
    online: Online, step: int, valkey_url: str, tmp_path: Path
) -> None:
    scene, rounds = scene_of(online, step, valkey_url, tmp_path), 8
    undisturbed = Publisher(scene.take())
    undisturbed.wait_for_first_word()
    began = time.monotonic()
    while undisturbed.is_alive:
        pass
    lasts = time.monotonic() - began

    for place in range(rounds):
        take = scene.take()
        publisher = Publisher(take)
        publisher.wait_for_first_word()
        dies_at = time.monotonic() + lasts * (place + random.random()) / rounds  # noqa: S311
        while time.monotonic() < dies_at and publisher.is_alive:
            take.check_answers()
        publisher.kill()
        check_recovery(take)
