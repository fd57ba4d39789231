"""The settings that have a flag of their own on the command line."""

from dataclasses import dataclass

from .settings import DEFAULT_BIND


@dataclass(frozen=True, slots=True)
class Flag:
    """How a setting is given on the command line."""

    written: str
    metavar: str
    help: str
    default: str | None = None


FLAGS = {
    "bind": Flag(
        "--bind",
        "HOST:PORT|unix:/PATH",
        "where to listen; port 0 takes a free one, unix:/path a socket",
        default=DEFAULT_BIND,
    ),
    "transport": Flag(
        "--transport",
        "auto|lean|aio",
        "how calls are taken: lean is fast and needs this grpcio's private parts, aio its public"
        " ones alone; auto takes lean where it works",
        default="auto",
    ),
    "workers": Flag("--workers", "N", "processes that serve, which share the port", default="1"),
    "rest.bind": Flag("--rest", "HOST:PORT", "where to answer over HTTP and JSON, too"),
    "metrics.bind": Flag(
        "--metrics", "HOST:PORT", "where to show metrics and health over HTTP, without features"
    ),
    "tls.certificate": Flag(
        "--tls-cert",
        "FILE",
        "a PEM file: the server's certificate chain; without it, plaintext is spoken"
        " (HEADRACE_TLS_CERT)",
    ),
    "tls.key": Flag(
        "--tls-key", "FILE", "a PEM file: the certificate's private key (HEADRACE_TLS_KEY)"
    ),
    "tls.client_ca": Flag(
        "--tls-client-ca",
        "FILE",
        "a PEM file: who vouches for callers, which then need a certificate"
        " (HEADRACE_TLS_CLIENT_CA)",
    ),
}
"""Settings that have a flag of their own."""
