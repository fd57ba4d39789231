"""What the workers of one supervisor counted, told by whichever of them is asked.

They share a port, so a scrape reaches any of them. Each says what it counted itself at a unix
socket in a folder of theirs; who is scraped asks all of them, and puts the number of its worker on
every sample.
"""

import asyncio
import logging
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from prometheus_client.core import CollectorRegistry, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.parser import text_string_to_metric_families

_LOG = logging.getLogger("headrace.serving")
_NAME = re.compile(r"worker-([0-9]+)\.sock")
_PATIENCE_SECONDS = 1.0
_OWNER_ONLY = 0o700


def siblings_folder(supervisor: int) -> Path:
    """Where the workers of the supervisor with this process id meet."""
    return Path(tempfile.gettempdir()) / f"headrace-{os.getuid()}-{supervisor}"


class Siblings:
    """The workers beside this one, and itself; belongs to one event loop."""

    def __init__(self, folder: Path, number: int, counted: Callable[[], bytes]) -> None:
        """Prepare to say what this worker, of this number, counted."""
        self._folder, self._number, self._counted = folder, number, counted
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Answer the others from now on; where that cannot be, this worker stays unseen by them."""
        try:
            self._folder.mkdir(_OWNER_ONLY, exist_ok=True)
            found = self._folder.stat()
            if found.st_uid != os.getuid() or found.st_mode & 0o077:
                msg = "the folder is somebody else's"
                raise PermissionError(msg)
            self._socket.unlink(missing_ok=True)
            self._server = await asyncio.start_unix_server(self._say, self._socket)
        except OSError as error:
            _LOG.warning("other workers cannot ask this one what it counted: %s", error)

    async def counted(self) -> Mapping[str, str]:
        """What each worker counted, as Prometheus's text, by its number; none of one that ended."""
        numbers = {self._number}
        with suppress(OSError):
            names = (_NAME.fullmatch(path.name) for path in self._folder.iterdir())
            numbers |= {int(name[1]) for name in names if name is not None}
        texts = await asyncio.gather(*(self._asked(number) for number in sorted(numbers)))
        counted = zip(sorted(numbers), texts, strict=True)
        return {str(number): text.decode() for number, text in counted if text}

    async def close(self) -> None:
        """Answer nobody any more."""
        if self._server is not None:
            self._server.close()
            self._socket.unlink(missing_ok=True)
            with suppress(OSError):
                self._folder.rmdir()  # fails while others are there

    @property
    def _socket(self) -> Path:
        return self._folder / f"worker-{self._number}.sock"

    async def _asked(self, number: int) -> bytes:
        if number == self._number:
            return self._counted()
        path = self._folder / f"worker-{number}.sock"
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(_PATIENCE_SECONDS):
                reader, writer = await asyncio.open_unix_connection(path)
                try:
                    return await reader.read(-1)
                finally:
                    writer.close()
        return b""

    async def _say(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            writer.write(self._counted())
            await writer.drain()
        writer.close()


def joined(counted: Mapping[str, str], others: Iterable[Metric], accept: str) -> tuple[bytes, str]:
    """One exposition of what several workers counted.

    Args:
        counted: Their expositions, as text, by their numbers.
        others: Metrics of no worker in particular.
        accept: The scraper's header.
    """
    families: dict[str, Metric] = {metric.name: metric for metric in others}
    for worker, text in counted.items():
        for family in text_string_to_metric_families(text):
            known = families.setdefault(
                family.name, Metric(family.name, family.documentation, family.type)
            )
            for sample in family.samples:
                labels = {**sample.labels, "worker": worker}
                known.add_sample(sample.name, labels, sample.value)
    encode, content_type = choose_encoder(accept)
    registry = CollectorRegistry()
    registry.register(_Families(families.values()))
    return encode(registry), content_type


class _Families:
    """Metrics that are there already, as a collector."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        """All of them."""
        return self._families
