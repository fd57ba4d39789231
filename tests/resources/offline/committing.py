"""A process that commits partitions of `SPEND`: `python -m … ROOT FIRST COUNT`.

It says "ready", waits for a line, and then says the generations that it made.
"""

import sys

from headrace.resources.offline.offline_store import OfflineStore
from headrace.resources.offline.table_spec import feature_table
from headrace.tests.resources.offline.tables import SPEND, commit, snapshot_rows


def main(root: str, first: int, count: int) -> None:
    """Commit `count` days from the day of that number on, a thousand rows each."""
    table = OfflineStore(root).table(feature_table(SPEND))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    for number in range(first, first + count):
        rows = snapshot_rows(number, {household: float(number) for household in range(1000)})
        made = commit(table, number, rows)
        sys.stdout.write(f"{made.partition} {made.generation}\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
