"""Processes beside a command: started, watched, stopped."""

import os
import signal
import sys
from pathlib import Path

import pytest

from headrace.cli.children import Child, Children
from headrace.cli.failures import ServiceFailedError

pytestmark = pytest.mark.server

SLEEP = "import time; print('ready', flush=True); time.sleep(600)"
PARENT = (
    "import subprocess, sys, time;"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
    "print('ready', child.pid, flush=True); time.sleep(600)"
)


def test_leaving_the_block_stops_a_child_with_all_that_it_started(tmp_path: Path) -> None:
    with Children(tmp_path) as children:
        child = _ready(children, PARENT)
        grandchild = int(child.log.read_text().split()[1])

    assert child.process.returncode == -signal.SIGTERM
    assert not _runs(grandchild)


def test_a_child_is_stopped_when_the_command_fails(tmp_path: Path) -> None:
    children = Children(tmp_path)

    with pytest.raises(ServiceFailedError), children:
        children.wait_until(_ended(children), lambda: not _ready(children, SLEEP))

    assert children.running == []


def test_a_child_answers_sigint_even_when_the_command_was_started_to_ignore_it(
    tmp_path: Path,
) -> None:
    program = (
        "from headrace.cli.children import Children, answer_to_signals; from pathlib import Path;"
        "import sys; answer_to_signals();"
        "children = Children(Path(sys.argv[1])); children.__enter__();"
        "child = children.start('child', [sys.executable, '-c',"
        " 'import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)']);"
        "child.process.wait(); print(child.log.read_text())"
    )
    with Children(tmp_path) as children:
        ignored = ("bash", "-c", 'trap "" INT; exec "$0" "$@"')
        python = (sys.executable, "-c", program, str(tmp_path))
        ignoring = children.start("ignoring", [*ignored, *python])
        ignoring.process.wait()

    assert ignoring.log.read_text().strip() == "True"


def test_a_child_that_ended_is_reported_with_its_last_words(tmp_path: Path) -> None:
    with Children(tmp_path) as children:
        _ended(children)

        with pytest.raises(ServiceFailedError) as failed:
            children.check()

    assert (failed.value.status, failed.value.last_line) == (3, "no luck")


def test_waiting_ends_when_the_child_does(tmp_path: Path) -> None:
    with Children(tmp_path) as children:
        child = _ended(children)

        with pytest.raises(ServiceFailedError, match="ended with status 3"):
            children.wait_until(child, lambda: False)


def _ready(children: Children, program: str) -> Child:
    child = children.start("child", [sys.executable, "-c", program])
    children.wait_until(child, lambda: "ready" in child.log.read_text())
    return child


def _ended(children: Children) -> Child:
    program = "print('no luck'); raise SystemExit(3)"
    child = children.start("short", [sys.executable, "-c", program])
    child.process.wait()
    return child


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
