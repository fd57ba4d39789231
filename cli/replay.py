"""`headrace replay`: a training set again, as its receipt says, or what exactly is gone."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..contract.errors import InvalidArgumentError
from .options import ROWS_PER_PART, AsJson, RowsPerPart, TrainingOut
from .training_output import rows_bar, show_written

if TYPE_CHECKING:
    from ..assets.training.receipts import Receipt
    from ..resources.offline.offline_store import OfflineStore


def replay(
    receipt: Annotated[
        str,
        typer.Argument(
            metavar="RECEIPT.json",
            help="A file that training-set wrote, or the id of a receipt in the offline store.",
        ),
    ],
    *,
    out: TrainingOut,
    spine: Annotated[
        Path | None,
        typer.Option(
            metavar="F.parquet",
            help="The spine; without it, as the offline store keeps it.",
            show_default=False,
        ),
    ] = None,
    rows_per_part: RowsPerPart = ROWS_PER_PART,
    json: AsJson = False,
) -> None:
    """Make a training set again from its receipt, proven equal by its hash.

    Each table is read at the version that the receipt names, whatever was written, corrected,
    compacted or promoted since. The exit status is 1, and nothing is written, when a version is
    gone, or a hash differs; then the version, or the columns, are named.
    """
    from ..assets.point_in_time import OfflineStore, replay_training_set

    store = OfflineStore.from_env()
    made_of = _receipt(receipt, store)
    with rows_bar("replay", made_of.rows) as on_rows:
        replay_training_set(
            made_of, store, out, spine=spine, rows_per_part=rows_per_part, on_rows=on_rows
        )
    show_written(made_of, out, as_json=json)


def _receipt(name: str, store: "OfflineStore") -> "Receipt":
    from ..assets.training.receipts import Receipt
    from ..resources.offline.receipt_store import ReceiptStore

    path = Path(name)
    try:
        text = path.read_text() if path.exists() else ReceiptStore(store).read(name)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InvalidArgumentError(
            argument="receipt", problem=f"{name} cannot be read ({reason})", remedy="name a file"
        ) from error
    if text is None:
        raise InvalidArgumentError(
            argument="receipt",
            problem=f"{name!r} is neither a file nor the id of a receipt in {store.root}",
            remedy="name what `training-set --receipt` wrote",
        )
    return Receipt.from_json(text)
