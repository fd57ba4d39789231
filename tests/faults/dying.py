"""Publishing in a process of its own, which is killed, or kills itself, while it does."""

import multiprocessing
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from headrace.contract.feature_group import FeatureGroupSpec
from headrace.tests.faults.scenes import Take
from headrace.tests.faults.sends import Send, watch_sends
from headrace.tests.resources.online.publishing import stage_of

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

# A fork of a process that has imported everything and run nothing: it leaves no threads behind.
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload([__name__])


class Moment(StrEnum):
    """When a process dies, seen from something that it sends.

    Before it is sent is the same as before the last answer is read, as far as anybody can tell.
    """

    WITHIN = "in the middle of it"
    AFTER = "before its answer is read"


@dataclass(frozen=True, slots=True)
class Death:
    """A process dies of SIGKILL the so many-eth time that it sends something to the store."""

    number: int
    moment: Moment


class Publisher:
    """A process that publishes the day that a take is about."""

    def __init__(self, take: Take, death: Death | None = None) -> None:
        """Start it."""
        self._said, saying = _PROCESSES.Pipe(duplex=False)
        arguments = (take.stage.group, (take.url, take.folder, take.day), death, saying)
        self._process = _PROCESSES.Process(target=_publish, args=arguments)
        self._process.start()
        saying.close()

    def wait_for_first_word(self) -> None:
        """Return when it begins to speak to the store."""
        self._said.recv()

    def wait_for_end(self) -> int:
        """Let it publish to its end; how many times it sent something."""
        self.wait_for_first_word()
        sent: int = self._said.recv()
        self._process.join()
        assert self._process.exitcode == 0
        return sent

    @property
    def is_alive(self) -> bool:
        """Whether it still runs."""
        return self._process.is_alive()

    def kill(self) -> None:
        """Kill it, if it still runs."""
        self._process.kill()
        self._process.join()

    def wait_for_death(self) -> None:
        """Return when it has killed itself."""
        self._process.join()
        assert self._process.exitcode == -signal.SIGKILL


def _publish(
    group: FeatureGroupSpec,
    where: tuple[str, Path, int],
    death: Death | None,
    saying: "Connection[int, int]",
) -> None:
    url, folder, day = where
    stage, sends = stage_of(group, url, folder), 0

    def sending(send: Send, command: Sequence[bytes]) -> None:
        nonlocal sends
        sends += 1
        if sends == 1:
            saying.send(0)
        if death is None or sends != death.number:
            send(command)
            return
        raw = b"".join(bytes(part) for part in command)
        send([raw[: len(raw) // 2] if death.moment is Moment.WITHIN else raw])
        os.kill(os.getpid(), signal.SIGKILL)

    watch_sends(stage.online, sending)
    stage.publish(day)
    saying.send(sends)
