"""Certificates of tests: an authority, its server's, and callers that it vouches for."""

from dataclasses import dataclass
from pathlib import Path

import grpc
import trustme

from headrace.serving.settings import TlsSettings


@dataclass(frozen=True, slots=True)
class Certificates:
    """One authority and what it has issued, in files of a folder."""

    folder: Path
    authority: trustme.CA

    @classmethod
    def issued(cls, folder: Path) -> "Certificates":
        """An authority of its own, and a certificate for 127.0.0.1."""
        authority = trustme.CA()
        authority.cert_pem.write_to_path(folder / "ca.pem")
        server = authority.issue_cert("127.0.0.1", "localhost")
        server.private_key_pem.write_to_path(folder / "server.key")
        for blob in server.cert_chain_pems:
            blob.write_to_path(folder / "server.pem", append=True)
        return cls(folder, authority)

    @property
    def tls(self) -> TlsSettings:
        """A server that shows who it is."""
        return TlsSettings(self.folder / "server.pem", self.folder / "server.key")

    @property
    def mutual_tls(self) -> TlsSettings:
        """A server whose callers have to show who they are, too."""
        return TlsSettings(
            self.folder / "server.pem", self.folder / "server.key", self.folder / "ca.pem"
        )

    def caller(self, name: str) -> grpc.ChannelCredentials:
        """The credentials of a caller that the authority vouches for."""
        issued = self.authority.issue_cert(name)
        chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
        return grpc.ssl_channel_credentials(
            self.authority.cert_pem.bytes(), issued.private_key_pem.bytes(), chain
        )

    def stranger(self) -> grpc.ChannelCredentials:
        """The credentials of a caller that trusts the server and shows nothing itself."""
        return grpc.ssl_channel_credentials(self.authority.cert_pem.bytes())
