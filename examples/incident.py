"""An incident on the demonstration's graph: what fresh, stale, failed and late groups look like.

Plays four days of December 2017 in a home of its own, on the real transactions, with what goes
wrong in practice, and then says where to look:

    python -m headrace.examples.incident [--home FOLDER]

19 December, 0:00   all groups are computed to the end of the 18th, and published: they are fresh
20 December, 0:00   a store sends negative sums: the day *fails*, and no group computes the 19th
21 December, 0:00   the 20th arrives as it should, but nobody runs `household_affinity`: it is
                    *stale*; the others are fresh, with a hole in their windows
21 December, 0:00   rows of the 17th arrive, of another store: they are *late*. `household_spend` is
                    computed again; the other groups hold partitions that are out of date

The same call again plays it again, from the beginning.
"""

import argparse
import errno
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from ..assets.declarations import FeatureGroup, Source
from ..assets.feature_groups.household_affinity import household_affinity
from ..assets.feature_groups.household_spend import household_spend
from ..assets.freshness import freshness
from ..assets.outdated import outdated_partitions
from ..assets.partitions import partitions_until
from ..assets.publishing import publish_unpublished
from ..assets.sources.transactions import transactions
from ..cli.dagster_runs import DagsterRuns
from ..cli.home import home_lock
from ..cli.installation import Installation
from ..cli.run_plan import Node, PlannedRun
from ..contract.clock import move_clock, record_clock
from ..contract.environment import Environment
from ..resources.offline.table_spec import WHOLE
from ..resources.online.local_valkey import LocalValkey

WRONG, LATE = "2017-12-19", "2017-12-17"
WRONG_STORE, LATE_STORE = 367, 406
BEGIN = datetime(2017, 12, 19, tzinfo=UTC)
_DAY = timedelta(days=1)
_COMPUTED = 5  # days of features before it begins
_READ = 30 + _COMPUTED  # days of transactions: the windows of those features
_MARK = "incident"
_LOOK = """
Look at it from the command line:
  export HEADRACE_HOME={home}
  headrace status                           fresh or not, how old, what is out of date, the runs
  headrace quarantine transactions          the rows that were refused, and why
  headrace describe household_store         the partitions that late rows left out of date
  headrace impact transactions.sales_value  what the wrong sums would have touched
  headrace lookup household_spend:spend_7d household_affinity:favourite_department_30d \\
      household_id=40                       both answer, each with its own age
  headrace verify                           what is served is what was committed, also now

and in Dagster: `headrace up`, then http://127.0.0.1:3000/asset-groups
  sources/transactions      partition 2017-12-19 failed, with the rule and the number of rows
  offline/household_spend   its plots, lineage and inputs; 2017-12-19 is missing
  Runs                      the failed ones say what was not committed, and what stays in place"""


@dataclass(slots=True)
class Feed:
    """The transactions as they arrive: a day is wrong, and rows of another are held up.

    Attributes:
        has_caught_up: Whether the rows that were held up are there.
    """

    source: Source
    has_caught_up: bool = False

    def arriving(self) -> Source:
        """The source that reads this feed."""
        return replace(self.source, reader=self.read)

    def read(self, start: datetime, end: datetime) -> pl.LazyFrame:
        """The transactions of a window, as far as they are there."""
        day = pl.col("transaction_timestamp").dt.strftime("%Y-%m-%d")
        is_wrong = (day == WRONG) & (pl.col("store_id") == WRONG_STORE)
        sums = pl.when(is_wrong).then(-pl.col("sales_value")).otherwise("sales_value")
        rows = self.source(start, end).with_columns(sales_value=sums)
        if self.has_caught_up:
            return rows
        return rows.filter((day != LATE) | (pl.col("store_id") != LATE_STORE))


@dataclass(frozen=True, slots=True)
class States:
    """Which groups are in which state, by name; a group may be fresh and late."""

    fresh: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Incident:
    """The home that it is played in."""

    environment: Environment
    feed: Feed = field(default_factory=lambda: Feed(transactions))

    def play(self) -> States:
        """Play it from beginning to end; the clock of the home then stands at 21 December."""
        record_clock(self.environment.home, BEGIN)
        groups = list(self.installation().declarations.groups.values())
        self._before(groups)
        print(f"{BEGIN:%d %B}  all is well: every group is fresh")

        self._next_day()
        failed = self._day(groups, WRONG)
        print(f"{BEGIN + _DAY:%d %B}  the partition {WRONG} failed: {failed[0]}")

        self._next_day()
        others = [group for group in groups if group is not household_affinity]
        self._day(others, "2017-12-20")
        print(f"{BEGIN + 2 * _DAY:%d %B}  household_affinity was not computed: it is stale")

        self.feed.has_caught_up = True
        self._run([transactions], [LATE])
        for day in outdated_partitions(household_spend, self.installation().deployment.offline):
            self._run([household_spend], [day])
        print(f"             rows of {LATE} came late: household_spend was computed again")
        self._publish(groups)
        return states(self.installation())

    def installation(self) -> Installation:
        """The home at its present instant, with the feed in place of the source."""
        found = Installation.open(self.environment)
        sources = {**found.declarations.sources, "transactions": self.feed.arriving()}
        return replace(found, declarations=replace(found.declarations, sources=sources))

    def _before(self, groups: Sequence[FeatureGroup]) -> None:
        declared, now = self.installation().declarations, BEGIN
        self._run(list(declared.dimensions.values()), [WHOLE])
        self._run([transactions], partitions_until(transactions, now)[-_READ:])
        self._run(groups, partitions_until(household_spend, now)[-_COMPUTED:])
        self._publish(groups)

    def _next_day(self) -> None:
        now = self.environment.clock().now()
        move_clock(self.environment.home, now + _DAY)

    def _day(self, groups: Sequence[FeatureGroup], day: str) -> list[str]:
        """What a day's schedule does; what failed, in words."""
        failed = [*self._run([transactions], [day]), *self._run(groups, [day])]
        self._publish(groups)
        return failed

    def _run(self, nodes: Sequence[Node], partitions: Sequence[str]) -> list[str]:
        with DagsterRuns.of(self.installation()) as runs:
            planned = PlannedRun(tuple(nodes), tuple(partitions))
            result = runs.run(planned, on_partition=lambda _: None)
        return [str(failure) for failure in result.failures]

    def _publish(self, groups: Sequence[FeatureGroup]) -> None:
        installation = self.installation()
        publish_unpublished(installation.declarations, installation.deployment, groups)


def states(installation: Installation) -> States:
    """The states of all groups, as the tables and the clock say; nothing is remembered."""
    found, now = States(), installation.clock.now()
    store = installation.deployment.offline
    for group in installation.declarations.groups.values():
        committed = installation.committed(group)
        (found.fresh if freshness(group, committed, now).is_fresh else found.stale).append(
            group.name
        )
        if outdated_partitions(group, store):
            found.late.append(group.name)
    for source in installation.declarations.sources.values():
        committed = installation.committed(source)
        due = [key for key in partitions_until(source, now) if committed and key > min(committed)]
        found.failed.extend(f"{source.name} {key}" for key in due if key not in committed)
    return found


def play_in(home: Path) -> States:
    """Play the incident in a folder of its own; what an earlier call left there is removed first.

    Raises:
        HomeInUseError: A `headrace up` runs on it.
        FileExistsError: The folder holds something else.
    """
    if home.exists() and any(home.iterdir()) and not (home / _MARK).exists():
        raise FileExistsError(errno.ENOTEMPTY, "it holds something else; name another", str(home))
    with home_lock(home):
        (home / _MARK).touch()
        for each in home.iterdir():
            if each.is_dir():
                shutil.rmtree(each)
            elif each.name == "clock":
                each.unlink()
        environment = Environment.read({"HEADRACE_HOME": str(home)})
        with LocalValkey(environment):
            return Incident(environment).play()


def main() -> None:
    """Play it, and say where to look."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--home", type=Path, help="default: a new folder for temporary files")
    given = parser.parse_args().home
    home = (given or Path(tempfile.mkdtemp(prefix="headrace-incident-"))).resolve()
    found = play_in(home)
    print()
    for state in ("fresh", "stale", "late", "failed"):
        print(f"{state:8}{', '.join(getattr(found, state))}")
    print(_LOOK.format(home=home))


if __name__ == "__main__":
    main()
