"""A Redis that speaks TLS alone, and the certificates of a small authority for it."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import pytest
import redis
import trustme

from headrace.tests.valkey_processes import free_port, until


@dataclass(frozen=True, slots=True)
class Certificates:
    """Files of an authority that everybody here trusts, of a server's, and of a client's."""

    authority: Path
    server: Path
    client: Path

    @property
    def query(self) -> str:
        """What a client says of them in a URL."""
        return urlencode({"ssl_ca_certs": self.authority, **self.own})

    @property
    def own(self) -> dict[str, str]:
        """The client's own: its certificate and key are one file."""
        return {"ssl_certfile": str(self.client), "ssl_keyfile": str(self.client)}


def certificates(folder: Path) -> Certificates:
    authority = trustme.CA()
    made = Certificates(folder / "authority.pem", folder / "server.pem", folder / "client.pem")
    authority.cert_pem.write_to_path(made.authority)
    for path, names in ((made.server, ("127.0.0.1", "localhost")), (made.client, ("reader",))):
        authority.issue_cert(*names).private_key_and_cert_chain_pem.write_to_path(path)
    return made


@contextmanager
def redis_with_tls(folder: Path, made: Certificates, *options: str) -> Iterator[int]:
    """One that asks clients for certificates, too; its port. Valkey's wheel has no TLS."""
    command = shutil.which("redis-server")
    if command is None:
        pytest.skip("needs a Redis with TLS: redis-server")
    port = free_port()
    tls = (
        *("--port", "0", "--tls-port", str(port), "--bind", "127.0.0.1", "--save", ""),
        *("--tls-cert-file", str(made.server), "--tls-key-file", str(made.server)),
        *("--tls-ca-cert-file", str(made.authority), "--tls-auth-clients", "yes"),
    )
    with (
        (folder / f"redis-{port}.log").open("w") as log,
        subprocess.Popen([command, *tls, *options], cwd=folder, stdout=log, stderr=log) as process,
    ):
        try:
            with redis.Redis.from_url(f"rediss://127.0.0.1:{port}?{made.query}") as client:
                until(lambda: _answers(client))
            yield port
        finally:
            process.kill()


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.AuthenticationError:
        return True
    except redis.RedisError:
        return False
