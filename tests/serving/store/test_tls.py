"""Reads over TLS, with certificates on both sides and a user who may do nothing but read."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from headrace.contract.errors import StoreUnavailableError
from headrace.tests.redis_with_tls import Certificates, certificates, redis_with_tls
from headrace.tests.serving.store.driving import engine, read, result, results
from headrace.tests.valkey_processes import until

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def port(made: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Of a store that holds 2,000 rows of 500 bytes, which TLS sends in many records."""
    with redis_with_tls(tmp_path_factory.mktemp("redis"), made) as port:
        with redis.Redis.from_url(f"rediss://127.0.0.1:{port}?{made.query}") as client:
            client.mset({b"%d" % number: b"%500d" % number for number in range(2000)})
            client.acl_setuser(
                "reader",
                enabled=True,
                passwords=["+secret"],
                commands=["+mget", "+ping"],
                keys=["*"],
            )
        yield port


def test_a_user_who_may_only_read_reads_over_tls_with_a_certificate_of_his_own(
    port: int, made: Certificates
) -> None:
    keys = [b"%d" % number for number in range(2000)]
    with engine(f"rediss://reader:secret@127.0.0.1:{port}?{made.query}") as reader:
        whole = result(reader, read(*keys))
        small = results(reader, *(read(key) for key in keys[:50]))

    assert whole == [b"%500d" % number for number in range(2000)]
    assert small == [[b"%500d" % number] for number in range(50)]


def test_an_authority_is_trusted_that_the_environment_names(
    port: int, made: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(made.authority))
    own = "&".join(f"{name}={value}" for name, value in made.own.items())
    with engine(f"rediss://127.0.0.1:{port}?{own}") as reader:
        assert result(reader, read(b"7")) == [b"%500d" % 7]


@pytest.mark.parametrize(
    "query",
    ["ssl_ca_certs={0.authority}", "ssl_certfile={0.client}&ssl_keyfile={0.client}"],
    ids=["without its own certificate", "without an authority"],
)
def test_who_has_no_certificate_or_trusts_nobody_cannot_read(
    port: int, made: Certificates, query: str
) -> None:
    with (
        engine(f"rediss://127.0.0.1:{port}?{query.format(made)}") as reader,
        pytest.raises(StoreUnavailableError),
    ):
        result(reader, read(b"7"))


def test_a_cluster_is_read_over_tls(made: Certificates, tmp_path: Path) -> None:
    options = ("--cluster-enabled", "yes", "--tls-cluster", "yes")
    with redis_with_tls(tmp_path, made, *options) as port:
        with redis.Redis.from_url(f"rediss://127.0.0.1:{port}?{made.query}") as client:
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
            until(lambda: b"cluster_state:ok" in client.execute_command("CLUSTER", "INFO"))
            client.set(b"{AA}row", b"1")
        with engine(f"rediss+cluster://127.0.0.1:{port}?{made.query}") as reader:
            assert result(reader, read(b"{AA}row", b"{AB}none")) == [b"1", None]
