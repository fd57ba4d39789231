"""The one clock of a home: real, or frozen at an instant so that history can be replayed.

The frozen instant is recorded in the home by the process that creates it and read there by every
other, so that a second terminal agrees. Leases, breakers and commit times always use the real
clock.
"""

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from .errors import ClockConflictError

_FILE = "clock"
_REAL = "real"


@dataclass(frozen=True, slots=True)
class Clock:
    """What time it is for partitions, ages and TTLs.

    Attributes:
        frozen_at: The instant at which time stands; `None` for the real clock.
    """

    frozen_at: datetime | None = None

    def now(self) -> datetime:
        """The present instant, UTC."""
        return self.frozen_at or datetime.now(UTC)


def recorded_clock(home: Path, asked: datetime | None) -> Clock:
    """The clock recorded in a home; records the asked one when the home is new.

    Raises:
        ClockConflictError: `asked` differs from the recorded instant.
    """
    recorded = _read(home)
    if recorded is None and asked is not None:
        recorded = _create(home, asked)
    if asked is not None and recorded != asked.isoformat():
        raise ClockConflictError(
            home=str(home), recorded=recorded or _REAL, asked=asked.isoformat()
        )
    return Clock(None if recorded in (None, _REAL) else datetime.fromisoformat(str(recorded)))


def record_clock(home: Path, asked: datetime | None) -> Clock:
    """Create a home with this clock (real when `None`), or join it; `up` and `demo` begin so."""
    if _read(home) is None:
        _create(home, asked)
    return recorded_clock(home, asked)


def move_clock(home: Path, instant: datetime) -> Clock:
    """Move a frozen clock forward; processes read it when they load their definitions again.

    Raises:
        ClockConflictError: The home's clock is real, or would move backward.
    """
    recorded = _read(home)
    if recorded in (None, _REAL) or datetime.fromisoformat(str(recorded)) > instant:
        raise ClockConflictError(
            home=str(home), recorded=recorded or _REAL, asked=instant.isoformat()
        )
    _write(home / _FILE, instant.astimezone(UTC).isoformat())
    return Clock(instant)


def _read(home: Path) -> str | None:
    try:
        return (home / _FILE).read_text().strip()
    except FileNotFoundError:
        return None


def _create(home: Path, asked: datetime | None) -> str:
    home.mkdir(parents=True, exist_ok=True)
    text = _REAL if asked is None else asked.isoformat()
    temporary = home / f"{_FILE}.{os.getpid()}"
    temporary.write_text(text + "\n")
    try:
        os.link(
            temporary, home / _FILE
        )  # fails when another process was first: then its clock holds
    except FileExistsError:
        pass
    finally:
        temporary.unlink()
    return str(_read(home))


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    temporary.write_text(text + "\n")
    temporary.replace(path)
