"""Who may connect, and what is said of certificates that cannot be used."""

from collections.abc import Callable
from pathlib import Path

import grpc
import pytest

from headrace.contract.errors import InvalidArgumentError
from headrace.serving.settings import TlsSettings
from headrace.serving.tls import server_credentials
from headrace.tests.serving.running import served, settings
from headrace.tests.serving.transports.calling import SERVING, health
from headrace.tests.serving.transports.certificates import Certificates

pytestmark = pytest.mark.server


def is_served(channel: grpc.Channel) -> bool:
    """Whether a call is answered over it."""
    with channel:
        try:
            return health(channel).status == SERVING
        except grpc.RpcError:
            return False


def test_who_has_no_certificate_or_another_authoritys_is_refused_in_the_handshake(
    valkey_url: str, transport: str, certificates: Certificates, tmp_path: Path
) -> None:
    impostor = Certificates.issued(tmp_path).caller("ranking.example")
    with served(settings(valkey_url, tls=certificates.mutual_tls), transport) as address:
        outcomes = [
            is_served(channel)
            for channel in (
                grpc.insecure_channel(address),
                grpc.secure_channel(address, certificates.stranger()),
                grpc.secure_channel(address, impostor),
                grpc.secure_channel(address, certificates.caller("ranking.example")),
            )
        ]

    assert outcomes == [False, False, False, True]


def test_without_an_authority_for_callers_anybody_who_speaks_tls_is_served(
    valkey_url: str, transport: str, certificates: Certificates
) -> None:
    with served(settings(valkey_url, tls=certificates.tls), transport) as address:
        assert is_served(grpc.secure_channel(address, certificates.stranger()))
        assert not is_served(grpc.insecure_channel(address))


def absent(tls: TlsSettings) -> TlsSettings:
    """A certificate that is not there."""
    return TlsSettings(tls.certificate.with_name("absent.pem"), tls.key)


def mismatched(tls: TlsSettings) -> TlsSettings:
    """The certificate in the place of its key."""
    return TlsSettings(tls.certificate, tls.certificate)


def no_authority(tls: TlsSettings) -> TlsSettings:
    """A key in the place of an authority."""
    return TlsSettings(tls.certificate, tls.key, tls.key)


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (absent, r"--tls-cert: .*absent\.pem cannot be read \(No such file or directory\)"),
        (mismatched, "--tls-cert and --tls-key: .* do not go together"),
        (no_authority, "--tls-client-ca: .* holds no certificate"),
    ],
)
def test_files_that_cannot_be_used_are_named(
    certificates: Certificates, broken: Callable[[TlsSettings], TlsSettings], said: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=said):
        server_credentials(broken(certificates.tls))
