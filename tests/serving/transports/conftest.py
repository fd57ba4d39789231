from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import grpc
import pytest

from headrace.serving.observing import Observer
from headrace.serving.settings import StoreSettings, TlsSettings
from headrace.tests.serving.publishing import Publisher, group
from headrace.tests.serving.running import Gate, served, settings
from headrace.tests.serving.transports.certificates import Certificates

PLACES = ("lean", "aio", "lean over mTLS", "aio over mTLS")


@dataclass(frozen=True, slots=True)
class Place:
    """How a server is reached."""

    transport: str
    tls: TlsSettings | None
    credentials: grpc.ChannelCredentials | None

    def channel(self, address: str, **options: int) -> grpc.Channel:
        """A connection of its own to a server."""
        chosen = [
            ("grpc.use_local_subchannel_pool", 1),
            *((f"grpc.{k}", v) for k, v in options.items()),
        ]
        if self.credentials is None:
            return grpc.insecure_channel(address, options=chosen)
        return grpc.secure_channel(address, self.credentials, options=chosen)

    @contextmanager
    def behind_a_gate(  # all but the first have what most tests want
        self,
        url: str,
        *,
        holds: bytes = b"{",
        seconds: float = 20,
        store: Mapping[str, Any] | None = None,
        observer: Observer | None = None,
        **changes: Any,  # noqa: ANN401  # any field of Settings
    ) -> Iterator[tuple[Gate, grpc.Channel]]:
        """A server whose store is reached through a gate, which is open, and a channel to it.

        Args:
            url: The store's.
            holds: What the gate holds while it is shut; by default reads of rows.
            seconds: How long the store may be silent.
            store: Further fields of its settings.
            observer: The server's.
            **changes: Further fields of the server's settings.
        """
        with Gate(url, holds=holds) as gate:
            patient = StoreSettings(gate.url, timedelta(seconds=seconds), **(store or {}))
            chosen = settings(gate.url, tls=self.tls, store=patient, **changes)
            with (
                served(chosen, self.transport, observer) as address,
                self.channel(address) as channel,
            ):
                yield gate, channel


@pytest.fixture(params=["lean", "aio"])
def transport(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates.issued(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, certificates: Certificates) -> Place:
    transport, _, security = request.param.partition(" over ")
    if not security:
        return Place(transport, None, None)
    return Place(transport, certificates.mutual_tls, certificates.caller("ranking.example"))


@pytest.fixture
def server(valkey_url: str, place: Place) -> Iterator[str]:
    with served(settings(valkey_url, tls=place.tls), place.transport) as address:
        yield address


@pytest.fixture
def channel(server: str, place: Place) -> Iterator[grpc.Channel]:
    with place.channel(server) as made:
        yield made


@pytest.fixture
def spend(publisher: Publisher) -> None:
    publisher.publish(group(), {(1,): (12.5, 3)})
