"""Real object stores for tests: ministack, which keeps If-None-Match, and nanio, which does not."""

import socket
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pyarrow.fs
import pytest

from headrace.cli.children import Children
from headrace.resources.offline.offline_store import OfflineStore

ACCESS_KEY, SECRET_KEY = "an-access-key", "a-secret-not-to-be-shown"


@dataclass(frozen=True, slots=True)
class ObjectStore:
    """An empty bucket of a running server."""

    port: int
    bucket: str

    @property
    def root(self) -> str:
        """Where an offline store may lie."""
        return f"s3://{self.bucket}/offline"

    @property
    def variables(self) -> Mapping[str, str]:
        """What a process has to know of it, in the environment or as storage options."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_REGION": "us-east-1",
        }

    def offline(self) -> OfflineStore:
        """An offline store in the bucket, as another process would open it."""
        return OfflineStore(self.root, self.variables)

    def put(self, key: str, content: bytes) -> None:
        """Store an object in the bucket."""
        with _files(self.port).open_output_stream(f"{self.bucket}/{key}") as stream:
            stream.write(content)

    def keys(self) -> list[str]:
        """The keys of all objects."""
        found = _files(self.port).get_file_info(
            pyarrow.fs.FileSelector(self.bucket, recursive=True)
        )
        return [each.path for each in found if each.type == pyarrow.fs.FileType.File]


@pytest.fixture(scope="session")
def object_store_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of an S3 server that lives as long as the run."""
    with _served(tmp_path_factory.mktemp("ministack"), _script("ministack")) as port:
        yield port


@pytest.fixture
def object_store(object_store_port: int) -> ObjectStore:
    """A fresh bucket in a store that keeps conditional writes."""
    return _with_bucket(object_store_port)


@pytest.fixture
def unsafe_object_store(tmp_path: Path) -> Iterator[ObjectStore]:
    """A fresh bucket in a store that ignores If-None-Match."""
    stored = ("--data-dir", str(tmp_path / "objects"))
    quiet = ("--host", "127.0.0.1", "--log-level", "warning", "--no-access-log")
    with _served(tmp_path, [*_script("nanio"), "serve", *stored, *quiet]) as port:
        yield _with_bucket(port)


@contextmanager
def _served(folder: Path, command: Sequence[str]) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    variables = {
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "SERVICES": "s3",
        "IOT_MTLS_ENABLED": "0",  # otherwise it listens on all addresses, too
        "LOG_LEVEL": "WARNING",
        "NANIO_PORT": str(port),
        "NANIO_ACCESS_KEY": ACCESS_KEY,
        "NANIO_SECRET_KEY": SECRET_KEY,
    }
    with Children(folder) as children:
        child = children.start("object-store", command, variables)
        children.wait_until(child, lambda: _listens(port))
        yield port


def _script(name: str) -> list[str]:
    return [str(Path(sys.executable).with_name(name))]


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def _with_bucket(port: int) -> ObjectStore:
    store = ObjectStore(port, f"bucket-{uuid.uuid4().hex}")
    _files(port).create_dir(store.bucket)
    return store


def _files(port: int) -> pyarrow.fs.S3FileSystem:
    return pyarrow.fs.S3FileSystem(
        access_key=ACCESS_KEY,
        secret_key=SECRET_KEY,
        region="us-east-1",
        endpoint_override=f"127.0.0.1:{port}",
        scheme="http",
        allow_bucket_creation=True,
    )
