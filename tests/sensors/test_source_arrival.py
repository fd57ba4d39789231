"""Files arrive, change, and are read: each once, and none is lost."""

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import dagster as dg
import pytest

from headrace.assets.declarations import Source
from headrace.assets.landing import Landing
from headrace.contract.clock import Clock
from headrace.contract.errors import (
    AlertUndeliveredError,
    SourceUnreadableError,
    StoreUnavailableError,
)
from headrace.contract.partitions import DAILY
from headrace.resources.landed_files import landed_files
from headrace.resources.offline.arrivals import Arrival
from headrace.sensors.asking import LATE_TAG, REQUEST_TAG
from headrace.sensors.gone_files import GONE, tell_of_gone_files
from headrace.sensors.landing_listing import listing_of
from headrace.sensors.source_arrival import arrival_sensor
from headrace.tests.assets.factory.graph import Graph, graph_of
from headrace.tests.assets.visits import DAYS, midnight, visits
from headrace.tests.object_store import ObjectStore

VISITS = "sources/visits"
LONG_AGO = 1_700_000_000


@dataclass
class Arrivals:
    """A landing folder, and the sensor that looks at it."""

    graph: Graph
    folder: Path
    requests: Sequence[dg.RunRequest] = field(default=())

    @property
    def landing(self) -> Landing:
        return Landing(f"{self.folder}/{{partition}}/*.csv", DAILY)

    @property
    def source(self) -> Source:
        return replace(self.graph.world.source, landing=self.landing)

    def land(self, day: str, text: str = "x", *, at: float = LONG_AGO, name: str = "a") -> None:
        """Let a file arrive, or change, that was modified at some time."""
        file = self.folder / day / f"{name}.csv"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        os.utime(file, (at, at))

    def look(self, clock: Clock | None = None) -> list[tuple[str, str]] | str | None:
        """One tick, by a process that remembers nothing: the ranges requested, or why none."""
        assert self.source.landing is not None
        sensor = arrival_sensor(
            self.source, self.source.landing, clock or self.graph.world.environment.clock()
        )
        context = dg.build_sensor_context(
            instance=self.graph.instance,
            definitions=self.graph.definitions,
            resources={"deployment": self.graph.world.deployment},
        )
        data = sensor.evaluate_tick(context)
        self.requests = data.run_requests or ()
        return [bounds(each) for each in self.requests] or data.skip_message

    def run(self) -> None:
        """Carry out what was requested."""
        for request in self.requests:
            first, last = bounds(request)
            self.graph.run(VISITS, first=first, last=last, tags=request.tags)

    def begin(self, status: dg.DagsterRunStatus = dg.DagsterRunStatus.STARTED) -> None:
        """Let the requested runs come to a status without having said anything."""
        for request in self.requests:
            self.graph.instance.create_run_for_job(
                self.graph.definitions.resolve_implicit_global_asset_job_def(),
                asset_selection=frozenset({dg.AssetKey(VISITS.split("/"))}),
                tags=request.tags,
                status=status,
            )


def bounds(request: dg.RunRequest) -> tuple[str, str]:
    first, last = (f"dagster/asset_partition_range_{edge}" for edge in ("start", "end"))
    return request.tags[first], request.tags[last]


@pytest.fixture
def arrivals(tmp_path: Path) -> Iterator[Arrivals]:
    landing = tmp_path / "landing"
    landing.mkdir()
    with graph_of(tmp_path / "home") as graph:
        yield Arrivals(graph, landing)


def test_all_that_arrived_is_read_range_by_range_the_newest_first(arrivals: Arrivals) -> None:
    for day in (*DAYS[:3], *DAYS[6:8]):
        arrivals.land(day)

    assert arrivals.look() == [(DAYS[6], DAYS[7]), (DAYS[0], DAYS[2])]
    assert {request.tags[LATE_TAG] for request in arrivals.requests} == {"false"}
    assert len({request.run_key for request in arrivals.requests}) == 2


def test_what_was_read_is_not_read_again_whoever_looks(arrivals: Arrivals) -> None:
    arrivals.land(DAYS[0])
    arrivals.look()
    arrivals.run()

    assert arrivals.look() == "Nothing new: 1 partitions known, 0 being read."
    assert arrivals.look() == "Nothing new: 1 partitions known, 0 being read."


def test_a_file_that_changes_is_read_again_as_late(arrivals: Arrivals) -> None:
    arrivals.land(DAYS[0])
    arrivals.land(DAYS[1])
    arrivals.look()
    arrivals.run()
    arrivals.land(DAYS[0], at=LONG_AGO + 1)
    touched = arrivals.look()
    arrivals.run()
    arrivals.land(DAYS[1], "longer")
    grown = arrivals.look()
    arrivals.run()
    arrivals.land(DAYS[0], at=LONG_AGO + 1, name="another")

    assert touched == [(DAYS[0], DAYS[0])]
    assert grown == [(DAYS[1], DAYS[1])]
    assert arrivals.look() == [(DAYS[0], DAYS[0])]
    assert [request.tags[LATE_TAG] for request in arrivals.requests] == ["true"]
    assert arrivals.graph.world.generations(arrivals.source) == {DAYS[0]: 1, DAYS[1]: 1}


def test_a_day_that_loses_its_last_file_is_kept_and_its_owners_are_told_once(
    arrivals: Arrivals, caplog: pytest.LogCaptureFixture
) -> None:
    arrivals.land(DAYS[0])
    arrivals.land(DAYS[1])
    arrivals.look()
    arrivals.run()
    committed = arrivals.graph.world.generations(arrivals.source)
    (arrivals.folder / DAYS[1] / "a.csv").unlink()

    looks = [arrivals.look(), arrivals.look()]
    gone = [text for text in caplog.messages if "files_are_there failed" in text]
    arrivals.land(DAYS[1])
    returned = arrivals.look()

    said = "Nothing new: 2 partitions known, 0 being read; the files of 1 are gone."
    assert looks == [said, said]
    assert arrivals.graph.world.generations(arrivals.source) == committed
    assert len(gone) == 1
    assert gone[0].startswith(f"{VISITS}, partition {DAYS[1]}: files_are_there failed (team:web)")
    assert f"`headrace materialize visits --partitions {DAYS[1]}`" in gone[0]
    assert returned == [(DAYS[1], DAYS[1])]
    assert "files_are_there resolved" in caplog.messages[-1]


def test_files_that_are_gone_are_told_of_until_the_webhook_takes_it(arrivals: Arrivals) -> None:
    arrivals.land(DAYS[0])
    arrivals.look()
    arrivals.run()
    (arrivals.folder / DAYS[0] / "a.csv").unlink()
    arrivals.land(DAYS[1])
    world = arrivals.graph.world
    listing = listing_of(arrivals.landing, landed_files(str(arrivals.folder)), time.time_ns())
    known = {DAYS[0]: Arrival("x"), DAYS[1]: Arrival("y")}
    nobody = replace(world.environment, alert_webhook="http://127.0.0.1:1/")

    with pytest.raises(AlertUndeliveredError):
        tell_of_gone_files(arrivals.source, listing, known, committed={}, environment=nobody)
    told = tell_of_gone_files(
        arrivals.source, listing, known, committed={}, environment=world.environment
    )

    assert told == {DAYS[0]: Arrival(GONE), DAYS[1]: Arrival("y")}


def test_nothing_is_asked_for_twice_while_it_is_being_read(arrivals: Arrivals) -> None:
    arrivals.land(DAYS[0])
    arrivals.look()
    arrivals.begin()
    arrivals.land(DAYS[0], "changed while it was read")
    arrivals.land(DAYS[1])

    assert arrivals.look() == [(DAYS[1], DAYS[1])]


def test_a_file_that_changed_while_it_was_read_is_read_again(arrivals: Arrivals) -> None:
    arrivals.land(DAYS[0])
    arrivals.look()
    arrivals.land(DAYS[0], "changed before the run looked")
    arrivals.run()

    assert arrivals.look() == [(DAYS[0], DAYS[0])]


def test_rows_that_were_refused_wait_until_their_file_changes(arrivals: Arrivals) -> None:
    arrivals.graph.world.visits = visits((DAYS[0], 1, "a", 1.0)).drop("seconds")
    arrivals.land(DAYS[0])
    arrivals.look()
    arrivals.run()
    refused = arrivals.look()
    arrivals.land(DAYS[0], "corrected")

    assert refused == "Nothing new: 1 partitions known, 0 being read."
    assert arrivals.look() == [(DAYS[0], DAYS[0])]


@pytest.mark.parametrize("ending", ["never began", "failed", "canceled"])
def test_a_run_that_said_nothing_is_asked_for_three_times(arrivals: Arrivals, ending: str) -> None:
    arrivals.land(DAYS[0])
    keys, answers = set(), []
    for _ in range(4):
        answers.append(arrivals.look())
        keys |= {request.run_key for request in arrivals.requests}
        if ending != "never began":
            status = {"failed": "FAILURE", "canceled": "CANCELED"}[ending]
            arrivals.begin(dg.DagsterRunStatus(status))

    asked = [(DAYS[0], DAYS[0])]
    assert answers == [*[asked] * 3, "Nothing new: 1 partitions known, 0 being read."]
    assert len(keys) == 3
    arrivals.land(DAYS[0], "another try")
    assert arrivals.look() == asked


def test_only_the_days_that_a_run_did_not_reach_are_asked_for_again(arrivals: Arrivals) -> None:
    for day in DAYS[:3]:
        arrivals.land(day)
    arrivals.look()
    (request,) = arrivals.requests
    arrivals.graph.run(
        VISITS, first=DAYS[0], last=DAYS[1], tags={REQUEST_TAG: request.tags[REQUEST_TAG]}
    )

    assert arrivals.look() == [(DAYS[2], DAYS[2])]


def test_a_file_is_left_to_the_next_look_while_it_may_be_written_to(arrivals: Arrivals) -> None:
    arrivals.land(DAYS[0], at=time.time())
    arrivals.land(DAYS[0], name="older")
    arrivals.land(DAYS[1], at=time.time() + 3600)
    young = arrivals.look()
    arrivals.run()
    arrivals.land(DAYS[0], at=time.time() - 6)

    assert young == [(DAYS[1], DAYS[1])]
    assert arrivals.look() == [(DAYS[0], DAYS[0])]


def test_a_file_of_a_day_that_is_not_over_is_taken_when_it_is(arrivals: Arrivals) -> None:
    arrivals.land("2024-01-15")
    arrivals.land("2023-12-31")
    arrivals.land("not-a-day")

    early = arrivals.look()
    later = arrivals.look(Clock(midnight("2024-01-16")))

    assert early == "Nothing new: 0 partitions known, 0 being read; 1 files belong to no partition."
    assert later == [("2024-01-15", "2024-01-15")]


def test_a_history_is_loaded_in_runs_that_others_overtake(arrivals: Arrivals) -> None:
    late = Clock(datetime.fromisoformat("2024-06-01T00:00:00+00:00"))
    begin = midnight(DAYS[0])
    for day in DAILY.keys(begin, begin + 150 * DAILY.length):
        arrivals.land(day)

    assert arrivals.look(late) == [
        ("2024-05-08", "2024-05-29"),
        ("2024-03-05", "2024-05-07"),
        ("2024-01-01", "2024-03-04"),
    ]
    assert [each.tags["dagster/priority"] for each in arrivals.requests] == ["10", "0", "0"]


def test_a_landing_that_is_not_there_is_an_error_and_forgets_nothing(arrivals: Arrivals) -> None:
    arrivals.land(DAYS[0])
    arrivals.look()
    arrivals.run()
    away = arrivals.folder.rename(arrivals.folder.with_name("unmounted"))
    with pytest.raises(SourceUnreadableError, match="there is no such folder"):
        arrivals.look()
    away.rename(arrivals.folder)

    assert arrivals.look() == "Nothing new: 1 partitions known, 0 being read."


def test_a_damaged_record_is_an_error_that_says_what_to_do(arrivals: Arrivals) -> None:
    record = Path(arrivals.graph.world.deployment.offline.root) / "arrivals" / "visits.json"
    record.parent.mkdir(parents=True)
    record.write_text("[1]")

    with pytest.raises(StoreUnavailableError, match=r"visits\.json.* is damaged"):
        arrivals.look()


@pytest.mark.server
def test_objects_arrive_under_a_prefix_as_files_do_in_a_folder(
    object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in object_store.variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LANDING", f"s3://{object_store.bucket}/landing")
    landing = Landing("$LANDING/{partition:%Y/%m/%d}/*.csv", DAILY)
    object_store.put("landing/2024/01/02/part 1.csv", b"x")
    object_store.put("landing/2024/01/03/a.csv", b"x")
    now = time.time_ns()
    files = landed_files(landing.folder())

    young = listing_of(landing, files, now)
    settled = listing_of(landing, files, now + 6_000_000_000)
    object_store.put("landing/2024/01/03/a.csv", b"y")
    changed = listing_of(landing, landed_files(landing.folder()), now + 12_000_000_000)

    assert young.digests == {}
    assert list(settled.digests) == [DAYS[1], DAYS[2]]
    assert settled.digests[DAYS[1]] == changed.digests[DAYS[1]]
    assert settled.digests[DAYS[2]] != changed.digests[DAYS[2]]
