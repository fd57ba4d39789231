"""A private Postgres for tests: a database cluster of its own, gone afterwards."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from headrace.tests.valkey_processes import until

PASSWORD = "a-password-not-to-be-shown"  # noqa: S105 - of a server that lives for a test
_DEBIAN = Path("/usr/lib/postgresql")
_USER = "dagster"


@contextmanager
def postgres() -> Iterator[Mapping[str, str]]:
    """Run a server; what Dagster has to know of it, in the environment."""
    folder = Path(tempfile.mkdtemp(prefix="headrace-postgres-"))
    (password := folder / "password").write_text(PASSWORD)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    as_user = _unprivileged(folder, password)
    data = str(folder / "data")
    secret = ("--auth=scram-sha-256", f"--pwfile={password}", f"--username={_USER}")
    subprocess.run(
        [_program("initdb"), "-D", data, *secret, "--no-sync"],
        check=True,
        capture_output=True,
        **as_user,
    )
    options = ["-h", "127.0.0.1", "-p", str(port), "-c", "fsync=off", "-k", ""]
    server = subprocess.Popen(
        [_program("postgres"), "-D", data, *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **as_user,
    )
    try:
        until(lambda: _answers(port))
        yield {
            "DAGSTER_PG_HOST": "127.0.0.1",
            "DAGSTER_PG_PORT": str(port),
            "DAGSTER_PG_DB": "postgres",
            "DAGSTER_PG_USERNAME": _USER,
            "DAGSTER_PG_PASSWORD": PASSWORD,
        }
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(folder)


def _program(name: str) -> str:
    """Where a program of Postgres is; Debian keeps most of them out of PATH."""
    found = shutil.which(name) or next(
        (str(path) for path in sorted(_DEBIAN.glob(f"*/bin/{name}"), reverse=True)), None
    )
    if found is None:
        pytest.skip(f"there is no {name}: Postgres is not installed")
    return found


def _unprivileged(folder: Path, *files: Path) -> dict[str, Any]:
    """As whom it runs: it refuses to be root."""
    if os.getuid() != 0:
        return {}
    for path in (folder, *files):
        shutil.chown(path, "nobody")
    return {"user": "nobody", "cwd": folder}


def _answers(port: int) -> bool:
    try:
        connection = psycopg2.connect(
            host="127.0.0.1", port=port, user=_USER, password=PASSWORD, dbname="postgres"
        )
    except psycopg2.OperationalError:
        return False
    connection.close()
    return True
