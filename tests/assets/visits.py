"""A small made-up world: visits to pages and features of visitors; a test may change the rows."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandera.polars as pa
import polars as pl

from headrace.assets.authoring import (
    Entity,
    EventTimestamp,
    dimension,
    feature_group,
    feature_service,
    same_partition,
    source,
    trailing,
    training_set,
)
from headrace.assets.declarations import Dimension, FeatureGroup, Source
from headrace.assets.discovery import Declarations
from headrace.assets.materialization import Materialized, materialize
from headrace.assets.model_inputs import TrainingSet
from headrace.assets.outcomes import Outcome, Publish, Run
from headrace.contract.environment import Environment
from headrace.resources.deployments import Deployment

DAYS = tuple(f"2024-01-{day:02}" for day in range(1, 15))
"""All partitions there are: the clock stands at 2024-01-15."""

VISITOR = Entity("visitor", join_keys={"visitor": pl.Int64})


class Visits(pa.DataFrameModel):
    """A visit."""

    visitor: int
    page: str
    seconds: float
    visited_at: EventTimestamp


class Pages(pa.DataFrameModel):
    """A page."""

    page: str
    weight: float


class VisitorWeek(pa.DataFrameModel):
    """What a visitor did in 7 days."""

    visitor: int
    visits_7d: int = pa.Field(ge=1, description="Visits in 7 days.")
    seconds_7d: float = pa.Field(ge=0, description="Seconds in 7 days, weighted by page.")


class VisitorRank(pa.DataFrameModel):
    """How a visitor compares with the others."""

    visitor: int
    rank: int


class VisitorLast(pa.DataFrameModel):
    """A visitor's newest visit."""

    visitor: int
    event_timestamp: EventTimestamp
    page: str = pa.Field(nullable=True)


def visits(*rows: tuple[str, int, str, float]) -> pl.DataFrame:
    """Raw rows, each as (day, visitor, page, seconds), at noon."""
    return pl.DataFrame(
        {
            "visitor": [visitor for _, visitor, _, _ in rows],
            "page": [page for _, _, page, _ in rows],
            "seconds": [seconds for _, _, _, seconds in rows],
            "visited_at": [noon(day) for day, _, _, _ in rows],
        },
        schema={
            "visitor": pl.Int64,
            "page": pl.String,
            "seconds": pl.Float64,
            "visited_at": pl.Datetime("us", "UTC"),
        },
    )


def noon(day: str) -> datetime:
    """The middle of a day."""
    return datetime.fromisoformat(f"{day}T12:00:00").replace(tzinfo=UTC)


def midnight(day: str) -> datetime:
    """The start of a day."""
    return noon(day) - timedelta(hours=12)


@dataclass
class World:
    """Declarations over rows that a test may change, and stores of their own.

    Attributes:
        visits: What the source reads.
        asked: The windows that the source was asked for.
        computed: The ends of the partitions that `visitor_week` computed.
    """

    environment: Environment
    visits: pl.DataFrame
    pages: pl.DataFrame
    deployment: Deployment = field(init=False)
    asked: list[tuple[datetime, datetime]] = field(default_factory=list)
    computed: list[datetime] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Declare."""
        self.deployment = Deployment.of(self.environment)
        self.source = self._source()
        self.dimension = self._dimension()
        self.week = self._week()
        self.rank = self._rank()
        self.last = self._last()
        self.service = feature_service(
            "page_to_show", features=[self.week["visits_7d"], self.last], owners=["team:web"]
        )
        self.training_set = self._training_set()

    @property
    def declarations(self) -> Declarations:
        """All of it."""
        groups = (self.week, self.rank, self.last)
        return Declarations(
            {"visits": self.source},
            {"pages": self.dimension},
            {(group.name, group.version): group for group in groups},
            {"page_to_show": self.service},
            {"returns": self.training_set},
        )

    def add(self, *rows: tuple[str, int, str, float]) -> None:
        """Let further visits happen."""
        self.visits = pl.concat([self.visits, visits(*rows)])

    def materialize(
        self, declared: Materialized, days: Sequence[str] = DAYS, publish: Publish = "auto"
    ) -> list[Outcome]:
        """Materialize without Dagster."""
        run = Run(self.deployment.offline, "run", publish)
        return list(materialize(declared, days, run))

    def read_inputs(self, days: Sequence[str] = DAYS) -> None:
        """Commit the source and the dimension."""
        self.materialize(self.source, days)
        self.materialize(self.dimension)

    def rows(self, declared: Materialized, partition: str) -> list[tuple[object, ...]]:
        """The committed rows of a partition."""
        snapshot = self.deployment.offline.table(declared.table).snapshot()
        return snapshot.scan([partition]).collect().rows()

    def generations(self, declared: Materialized) -> dict[str, int]:
        """The generation of each committed partition."""
        commits = self.deployment.offline.table(declared.table).snapshot().commits
        return {key: commit.generation for key, commit in commits.items()}

    def _source(self) -> Source:
        @source(
            schema=Visits, event_timestamp="visited_at", start="2024-01-01", owners=["team:web"]
        )
        def visits(start: datetime, end: datetime) -> pl.LazyFrame:
            """Visits."""
            self.asked.append((start, end))
            within = pl.col("visited_at").is_between(start, end, closed="left")
            return self.visits.lazy().filter(within)

        return visits

    def _dimension(self) -> Dimension:
        @dimension(schema=Pages, owners=["team:web"])
        def pages() -> pl.LazyFrame:
            """Pages."""
            return self.pages.lazy()

        return pages

    def _week(self) -> FeatureGroup:
        @feature_group(
            entity=VISITOR,
            schema=VisitorWeek,
            sources=[trailing(self.source, days=7), self.dimension],
            ttl=timedelta(days=3),
            owners=["team:web"],
        )
        def visitor_week(visits: pl.LazyFrame, pages: pl.LazyFrame, end: datetime) -> pl.LazyFrame:
            """Visits of a week."""
            self.computed.append(end)
            weighted = pl.col("seconds") * pl.col("weight")
            return (
                visits.join(pages, on="page")
                .group_by("visitor")
                .agg(visits_7d=pl.len().cast(pl.Int64), seconds_7d=weighted.sum())
            )

        return visitor_week

    def _rank(self) -> FeatureGroup:
        @feature_group(
            entity=VISITOR,
            schema=VisitorRank,
            sources=[same_partition(self.week)],
            ttl=timedelta(days=3),
            owners=["team:web"],
        )
        def visitor_rank(visitor_week: pl.LazyFrame) -> pl.LazyFrame:
            """Rank by visits."""
            rank = pl.col("visits_7d").rank("dense", descending=True).cast(pl.Int64)
            return visitor_week.select("visitor", rank=rank)

        return visitor_rank

    def _last(self) -> FeatureGroup:
        @feature_group(
            entity=VISITOR,
            schema=VisitorLast,
            sources=[same_partition(self.source)],
            ttl=None,
            owners=["team:web"],
            online="upsert",
        )
        def visitor_last(visits: pl.LazyFrame) -> pl.LazyFrame:
            """The newest page."""
            newest = visits.sort("visited_at").group_by("visitor").last()
            return newest.select("visitor", pl.col("visited_at").alias("event_timestamp"), "page")

        return visitor_last

    def _training_set(self) -> TrainingSet:
        @training_set(
            service=self.service, sources=[trailing(self.source, days=2)], owners=["team:web"]
        )
        def returns(visits: pl.LazyFrame, end: datetime) -> pl.LazyFrame:
            """Does a visitor come back within 2 days?"""
            came = visits.select("visitor").unique().with_columns(returns=True)
            return came.with_columns(
                event_timestamp=pl.lit(end - timedelta(days=2), dtype=pl.Datetime("us", "UTC"))
            )

        return returns


def make_world(home: Path, redis_url: str = "redis://127.0.0.1:1") -> World:
    """Two visitors, each on a page of its own every day; nothing is committed yet."""
    environment = Environment.read(
        {
            "HEADRACE_HOME": str(home),
            "HEADRACE_CLOCK": "2024-01-15T00:00:00Z",
            "HEADRACE_REDIS": redis_url,
        }
    )
    rows = [row for day in DAYS for row in ((day, 1, "a", 10.0), (day, 2, "b", 20.0))]
    pages = pl.DataFrame({"page": ["a", "b"], "weight": [1.0, 0.5]})
    return World(environment, visits(*rows), pages)
