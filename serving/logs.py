"""What the server logs, as text or as JSON lines; never whom features were asked for.

An exception may repeat what a caller sent, join keys among it. So a log line has its type and its
frames, but not its message; what is meant to be read is logged as a message of its own.
"""

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from types import TracebackType
from typing import TypeAlias

from .observing import Observer
from .settings import LogSettings

_ExceptionInfo: TypeAlias = (
    tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
)

_ACCESS = logging.getLogger("headrace.access")


def begin_logging(settings: LogSettings) -> None:
    """Log to standard error from now on; replaces what was configured before."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if settings.format == "json" else Text())
    logging.basicConfig(level=settings.level.upper(), handlers=[handler], force=True)


class Text(logging.Formatter):
    """Lines for people."""

    def __init__(self) -> None:
        """Begin each line with its time."""
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """A record, with what else is known of it behind its message."""
        line = super().format(record)
        fields = getattr(record, "fields", None)
        return line if not fields else f"{line} {fields}"

    def formatException(self, ei: _ExceptionInfo) -> str:  # noqa: N802  # logging's
        """The type and the frames of an exception."""
        return _frames(ei)


class JsonLines(logging.Formatter):
    """One JSON object for each record: time (UTC), level, logger, message and its fields."""

    def format(self, record: logging.LogRecord) -> str:
        """A record as one line."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = _frames(record.exc_info)
        return json.dumps(line)


class AccessLog:
    """An observer that logs every call, and tells another one of everything."""

    def __init__(self, inner: Observer) -> None:
        """Stand before the other observer."""
        self.batch, self.rows, self.breaker = inner.batch, inner.rows, inner.breaker
        self._answered = inner.answered

    def answered(self, method: str, status: str, seconds: float) -> None:
        """Log a call: what was asked for by whom is not known here."""
        self._answered(method, status, seconds)
        fields = {"method": method, "status": status, "milliseconds": round(seconds * 1000, 3)}
        _ACCESS.info("call", extra={"fields": fields})


def _frames(exception: _ExceptionInfo) -> str:
    kind, _, trace = exception
    frames = "".join(traceback.format_tb(trace))
    return f"{frames}{kind.__name__ if kind is not None else ''}"
