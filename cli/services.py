"""What `up` runs beside itself: the feature server, and Dagster's three processes."""

import json
import os
import re
import socket
import sys
from contextlib import suppress
from pathlib import Path

from ..contract.environment import Environment
from ..contract.errors import InvalidArgumentError
from .addresses import host_and_port
from .children import Child, Children

_LISTENS = "The feature server listens on "
_INSTANCE = Path(__file__).parents[1] / "deploy" / "local" / "dagster.yaml"
_BASE_DIR = re.compile(r"^(\s+base_dir: ).*$", re.MULTILINE)
_WORKSPACE = """\
# Written by `headrace up` at every start: web interface and daemon share one code server.
load_from:
  - grpc_server:
      socket: {socket}
      location_name: headrace.definitions
"""


def dagster_home(environment: Environment) -> Path:
    """The folder of this home's Dagster instance; its settings follow a home that moves.

    A shared deployment has one instance, which `DAGSTER_HOME` names in each of its pods.

    Raises:
        InvalidArgumentError: It names none.
    """
    from ..resources.deployments import SHAPES  # `lookup` has no pipeline, and comes by here

    if SHAPES[environment.deployment].is_shared:
        return _shared_instance(environment)
    folder = environment.home / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    events = json.dumps(str(folder / "history" / "runs"))
    settings = folder / "dagster.yaml"
    with suppress(FileExistsError), settings.open("x") as new:
        new.write(_INSTANCE.read_text())
    found = settings.read_text()
    moved = _BASE_DIR.sub(lambda line: line[1] + events, found)
    if moved != found:
        settings.write_text(moved)
    return folder


def _shared_instance(environment: Environment) -> Path:
    folder = os.environ.get("DAGSTER_HOME", "")
    if not folder:
        raise InvalidArgumentError(
            argument="DAGSTER_HOME",
            problem=f"the deployment {environment.deployment!r} shares one Dagster instance, and"
            " nothing says where its settings are",
            remedy=f"name the folder that holds deploy/{environment.deployment}/dagster.yaml",
        )
    return Path(folder)


def start_feature_server(children: Children, bind: str, *options: str) -> str:
    """Start a feature server; its address, when it accepts calls.

    Args:
        children: Whose child it becomes.
        bind: Where it listens.
        *options: What else it is told on its command line.

    Raises:
        ServiceFailedError: It does not start.
    """
    command = [sys.executable, "-m", "headrace.serving", "--bind", bind, *options]
    child = children.start("feature-server", command)
    children.wait_until(child, lambda: _LISTENS in child.log.read_text())
    said = child.log.read_text().split(_LISTENS, 1)[1]
    return said.splitlines()[0]


def start_dagster(children: Children, environment: Environment, address: str) -> None:
    """Start Dagster over this home's instance, and wait until its web interface answers.

    Runs that an earlier one left behind when it was killed are ended first.

    Raises:
        ServiceFailedError: A part of it does not start.
    """
    from .dead_runs import end_dead_runs_of, end_orphaned_runs

    home = dagster_home(environment)
    end_dead_runs_of(home)
    end_orphaned_runs(home)
    variables = {"DAGSTER_HOME": str(home), "HEADRACE_HOME": str(environment.home)}
    code_socket = environment.valkey_socket.with_name("dagster.sock")
    code_socket.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    code_socket.unlink(missing_ok=True)
    workspace = home / "workspace.yaml"
    workspace.write_text(_WORKSPACE.format(socket=code_socket))

    code = children.start("dagster-code", _code_server(code_socket), variables)
    children.wait_until(code, code_socket.exists)
    host, port = host_and_port(address, option="--dagster")
    web = _module("dagster_webserver", "-w", str(workspace), "-h", host, "-p", str(port))
    children.start(
        "dagster-daemon", _module("dagster._daemon", "run", "-w", str(workspace)), variables
    )
    children.wait_until(children.start("dagster-web", web, variables), lambda: _answers(host, port))


def _code_server(code_socket: Path) -> list[str]:
    return [
        *_module("dagster", "code-server", "start", "--socket", str(code_socket)),
        *("--module-name", "headrace.definitions", "--location-name", "headrace.definitions"),
        "--use-python-environment-entry-point",
    ]


def _module(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", name, *arguments]


def _answers(host: str, port: int) -> bool:
    with suppress(OSError), socket.create_connection((host, port), timeout=1):
        return True
    return False


__all__ = ["Child", "dagster_home", "start_dagster", "start_feature_server"]
