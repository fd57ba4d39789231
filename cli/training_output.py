"""What `training-set` and `replay` have in common: files, a progress bar, what they say."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..contract.errors import InvalidArgumentError
from ..contract.json_values import instant
from .console import counted, note, progress, show, show_json

if TYPE_CHECKING:
    from ..assets.training.receipts import Receipt


def check_place(path: Path, option: str) -> None:
    """See to it, before the work is done, that a file can be written."""
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise InvalidArgumentError(
            argument=option,
            problem=f"{path} is no file in a folder that exists",
            remedy="create the folder, or name another file",
        )


def count_rows(spine: Path) -> int:
    """How many rows a spine's files hold, as their footers say."""
    import polars as pl

    from ..assets.training.spine_slices import lazy_spine

    return int(lazy_spine(spine).select(pl.len()).collect().item())


@contextmanager
def rows_bar(description: str, total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar over rows; what it gives takes how many were added."""
    with progress() as bar:
        task = bar.add_task(description, total=total)
        yield lambda rows: bar.advance(task, rows)


def write_receipt(receipt: "Receipt", path: Path) -> None:
    """Write a receipt where the user asked for it, too."""
    from ..assets.training.training_files import write_text

    write_text(path, receipt.to_json() + "\n")


def show_written(receipt: "Receipt", out: Path, *, as_json: bool) -> None:
    """Say what was written, and which groups could not add anything to it."""
    for table in receipt.tables:
        if table.table_version < 0:
            when = "" if receipt.known_at is None else f" at {instant(receipt.known_at)}"
            note(f"nothing of {table.group} was committed{when}: its columns are null")
    columns = list(receipt.column_hashes)
    if as_json:
        show_json(
            {
                "rows": receipt.rows,
                "columns": columns,
                "out": str(out),
                "receipt": receipt.id,
                "content_hash": receipt.content_hash,
            }
        )
        return
    rows = counted(receipt.rows, "row")
    show(f"{rows} of {len(columns)} columns in {out}, receipt {receipt.id}")
