"""What a command shows: results on standard output, everything else on standard error."""

import base64
import io
import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

_WIDEST_LINE = 10_000
_KILO = 1000
_LARGEST_EXACT_INTEGER = 2**53  # of a JSON reader that keeps numbers as doubles


def complain(message: str) -> None:
    """Say on standard error why the command ends, in one line."""
    sys.stderr.write(f"headrace: {' '.join(message.split())}\n")


def note(message: str) -> None:
    """Say something on standard error that is no result."""
    Console(stderr=True, highlight=False).print(message, soft_wrap=True, markup=False)


def show(text: str) -> None:
    """Print one line of a result, as it is."""
    Console(highlight=False).print(text, soft_wrap=True, markup=False)


def show_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None
) -> None:
    """Print rows under headings; numbers stand right, and cells keep their text (no markup)."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    cells = [list(row) for row in rows]
    for position, column in enumerate(columns):
        numeric = bool(cells) and all(_is_number(row[position]) for row in cells)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in cells:
        table.add_row(*(_cell(value) for value in row))
    console = Console(highlight=False, markup=False)
    if console.is_terminal:
        console.print(table)
        return
    # Programs and `grep` want whole lines.
    wide = Console(highlight=False, markup=False, width=_WIDEST_LINE, file=io.StringIO())
    wide.print(table)
    for line in wide.file.getvalue().splitlines():  # type: ignore[attr-defined]  # the StringIO above
        show(line.rstrip())


def show_json(value: object) -> None:
    """Print a result for programs: JSON, indented when a person is likely to look."""
    indent = 2 if sys.stdout.isatty() else None
    sys.stdout.write(json.dumps(to_json(value), indent=indent, ensure_ascii=False) + "\n")


def progress() -> Progress:
    """A progress bar on standard error; silent where standard error is no terminal."""
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def to_json(value: object) -> Any:  # noqa: ANN401  # JSON is what json.dumps takes
    """Spell a value as JSON readers expect it.

    Instants and days in ISO 8601 (UTC as `Z`), bytes in base64, durations in seconds, integers
    beyond 2^53 and the floats that JSON lacks as strings (as proto3's JSON does).
    """
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    if isinstance(value, float | int):
        return _number_to_json(value)
    if isinstance(value, date | timedelta):
        return _time_to_json(value)
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def _number_to_json(number: float) -> float | str:
    if isinstance(number, int):
        return number if abs(number) <= _LARGEST_EXACT_INTEGER else str(number)
    if math.isnan(number):
        return "NaN"
    return number if math.isfinite(number) else "Infinity" if number > 0 else "-Infinity"


def _time_to_json(value: date | timedelta) -> str | float:
    if isinstance(value, timedelta):
        return seconds(value)
    return instant(value) if isinstance(value, datetime) else value.isoformat()


def instant(moment: datetime) -> str:
    """A UTC instant as ISO 8601 with `Z`; microseconds only where there are any."""
    return moment.isoformat().replace("+00:00", "Z")


def seconds(duration: timedelta) -> int | float:
    """A duration in seconds; an integer where it is whole."""
    whole, rest = divmod(duration, timedelta(seconds=1))
    return duration.total_seconds() if rest else whole


def in_words(duration: timedelta) -> str:
    """A duration as people say it: `30 d`, `1 d 6 h`, `1.5 s`."""
    minutes, rest = divmod(duration, timedelta(minutes=1))
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [f"{days} d", f"{hours} h", f"{minutes} min", f"{rest.total_seconds():g} s"]
    return " ".join(part for part in parts if not part.startswith("0 ")) or "0 s"


def in_bytes(count: int) -> str:
    """An amount of memory as people say it: `512 B`, `1.5 MB`."""
    amount, units = float(count), ["B", "kB", "MB", "GB", "TB"]
    while amount >= _KILO and len(units) > 1:
        amount /= _KILO
        del units[0]
    return f"{amount:.0f} B" if units[0] == "B" else f"{amount:.1f} {units[0]}"


def counted(count: int, thing: str) -> str:
    """A count with its noun: `1 row`, `1,469,307 rows`."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _cell(value: object) -> str:
    match value:
        case None:
            return "–"
        case datetime():
            return instant(value)
        case timedelta():
            return in_words(value)
        case bool():
            return "yes" if value else "no"
        case _:
            return str(value)
