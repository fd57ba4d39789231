"""What a command shows: results on standard output, everything else on standard error."""

import io
import json
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from ..contract.json_values import instant, to_json

_WIDEST_LINE = 10_000
_KILO = 1000


class Count(int):
    """A number of things, not a name or a feature: a table shows it with separators."""


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
        case Count():
            return f"{value:,}"
        case _:
            return str(value)
