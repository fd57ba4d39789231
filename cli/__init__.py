"""The `headrace` command: one file per command.

A command imports what it runs inside its function, so that `headrace lookup` works with the
`client` extra alone and `headrace --help` loads neither dagster nor polars.
"""

import sys


def main() -> None:
    """Run the command line of this process and end it with the exit status (the console script)."""
    from .application import run

    sys.exit(run(sys.argv[1:]))
