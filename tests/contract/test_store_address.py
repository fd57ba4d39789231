import pytest

from headrace.contract.errors import InvalidArgumentError
from headrace.contract.store_address import (
    ClusterAddress,
    SentinelAddress,
    cluster_address,
    sentinel_address,
    shown_address,
)


def test_a_service_has_sentinels_a_name_and_credentials() -> None:
    url = (
        "rediss+sentinel://user:se%40cret@a:1,[::1]:2,c/features/3"
        "?sentinel_username=watcher&sentinel_password=other"
    )

    assert sentinel_address(url) == SentinelAddress(
        (("a", 1), ("::1", 2), ("c", 26379)),
        "features",
        3,
        is_tls=True,
        username="user",
        password="se@cret",  # noqa: S106 - of no server
        sentinel_username="watcher",
        sentinel_password="other",  # noqa: S106 - of no server
    )
    assert shown_address(url) == "rediss+sentinel://a:1,[::1]:2,c/features/3"
    assert "cret" not in repr(sentinel_address(url))
    assert "other" not in repr(sentinel_address(url))


@pytest.mark.parametrize("url", ["redis://a:1/0", "rediss://a", "unix:///tmp/valkey.sock"])
def test_one_server_is_no_service(url: str) -> None:
    assert sentinel_address(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "redis+sentinel://:secret@a:1",
        "redis+sentinel://:secret@a:port/features",
        "redis+sentinel://:secret@/features",
        "redis+sentinel://:secret@a:1,/features",
        "redis+sentinel://:secret@a:1/features/one",
        "redis+sentinel://:secret@a:1/features?password=secret",
    ],
)
def test_a_service_that_cannot_be_read_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(InvalidArgumentError, match="write redis\\+sentinel://") as raised:
        sentinel_address(url)

    assert "secret" not in str(raised.value)


def test_a_cluster_has_nodes_and_credentials() -> None:
    url = "redis+cluster://user:se%40cret@a:1,b"

    assert cluster_address(url) == ClusterAddress(
        (("a", 1), ("b", 6379)),
        is_tls=False,
        username="user",
        password="se@cret",  # noqa: S106 - of no server
    )
    assert cluster_address("redis://a:1") is None
    with pytest.raises(InvalidArgumentError, match="it names a Cluster"):
        sentinel_address(url)


@pytest.mark.parametrize(
    "url",
    [
        "redis+cluster://:secret@a:port",
        "redis+cluster://:secret@",
        "redis+cluster://:secret@a:1/0",
        "redis+cluster://:secret@a:1?password=secret",
    ],
)
def test_a_cluster_that_cannot_be_read_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(InvalidArgumentError, match="write redis\\+cluster://") as raised:
        cluster_address(url)

    assert "secret" not in str(raised.value)


def test_options_of_tls_are_kept_and_refused_where_there_is_none() -> None:
    query = "ssl_keyfile=/k.pem&ssl_ca_certs=/ca.pem"
    tls = (("ssl_ca_certs", "/ca.pem"), ("ssl_keyfile", "/k.pem"))

    whole = cluster_address(f"rediss+cluster://a:1?{query}")
    service = sentinel_address(f"rediss+sentinel://a:1/features?sentinel_username=u&{query}")

    assert whole == ClusterAddress((("a", 1),), is_tls=True, tls=tls)
    assert service is not None
    assert (service.tls, service.sentinel_username) == (tls, "u")
    with pytest.raises(InvalidArgumentError, match="cannot be used"):
        cluster_address(f"redis+cluster://a:1?{query}")
    with pytest.raises(InvalidArgumentError, match="cannot be used"):
        sentinel_address(f"redis+sentinel://a:1/features?{query}")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("nonsense", "nonsense"),
        ("localhost:6379", "localhost:6379"),
        ("user:secret@a:1?password=secret", "a:1"),
        ("redis://user:secret@a:1/0?password=secret", "redis://a:1/0"),
        ("unix:///tmp/a@b", "unix:///tmp/a@b"),
    ],
)
def test_an_address_is_shown_without_its_password_also_when_it_is_none(
    text: str, shown: str
) -> None:
    assert shown_address(text) == shown
