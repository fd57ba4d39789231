"""The server's certificates, read and tried before gRPC is given them, which says little."""

import ssl
from pathlib import Path

import grpc

from ..contract.errors import InvalidArgumentError
from .settings import TlsSettings


def server_credentials(tls: TlsSettings) -> grpc.ServerCredentials:
    """What a port is secured with.

    Raises:
        InvalidArgumentError: A file cannot be read, or is not what it should be.
    """
    certificate = _read(tls.certificate, "--tls-cert")
    key = _read(tls.key, "--tls-key")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(tls.certificate, tls.key)
    except ssl.SSLError as error:
        raise InvalidArgumentError(
            argument="--tls-cert and --tls-key",
            problem=f"{tls.certificate} and {tls.key} do not go together ({error.reason})",
            remedy="name PEM files of one certificate chain and its private key",
        ) from error
    if tls.client_ca is None:
        return grpc.ssl_server_credentials([(key, certificate)])
    roots = _read(tls.client_ca, "--tls-client-ca")
    try:
        context.load_verify_locations(tls.client_ca)
    except ssl.SSLError as error:
        raise InvalidArgumentError(
            argument="--tls-client-ca",
            problem=f"{tls.client_ca} holds no certificate ({error.reason})",
            remedy="name a PEM file of the certificates that vouch for callers",
        ) from error
    return grpc.ssl_server_credentials(
        [(key, certificate)], root_certificates=roots, require_client_auth=True
    )


def _read(path: Path, option: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidArgumentError(
            argument=option,
            problem=f"{path} cannot be read ({error.strerror})",
            remedy="name a PEM file that this process may read",
        ) from error
