"""Sales of customers in shops, and features of customers that are computed in shards."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandera.polars as pa
import polars as pl

from headrace.assets.authoring import (
    Entity,
    EventTimestamp,
    dimension,
    feature_group,
    same_partition,
    source,
    trailing,
)
from headrace.assets.declarations import AnyInput, Dimension, FeatureGroup, Source
from headrace.assets.materialization import Materialized, materialize
from headrace.assets.outcomes import Outcome, Run
from headrace.assets.shards.computing import commit_shards, compute_shard, plan_shards
from headrace.assets.shards.sharding import shards_of
from headrace.resources.offline.offline_store import OfflineStore
from headrace.resources.offline.staging import Staging

DAYS = ("2024-01-01", "2024-01-02", "2024-01-03")
BUCKETS = 5
CUSTOMER = Entity("customer", join_keys={"customer": pl.String, "country": pl.Int64})
SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "customer": pl.String,
    "country": pl.Int64,
    "shop": pl.Int64,
    "amount": pl.Float64,
    "sold_at": pl.Datetime("us", "UTC"),
}


class Sales(pa.DataFrameModel):
    """A sale."""

    customer: str = pa.Field(nullable=True)
    country: int
    shop: int
    amount: float
    sold_at: EventTimestamp


class Shops(pa.DataFrameModel):
    """A shop; its rows are nobody's."""

    shop: int
    rate: float


class Members(pa.DataFrameModel):
    """Customers with a card, whether they buy or not."""

    customer: str
    country: int
    card: int


class CustomerSpend(pa.DataFrameModel):
    """What customers with a card spent."""

    customer: str
    country: int
    sales: int
    largest: float = pa.Field(nullable=True)
    spend: float


class CustomerShare(pa.DataFrameModel):
    """What a sale is worth."""

    customer: str
    country: int
    mean: float = pa.Field(nullable=True)


class CustomerLast(pa.DataFrameModel):
    """The newest sale."""

    customer: str
    country: int
    event_timestamp: EventTimestamp
    shop: int


def sales(*rows: tuple[str, str | None, int, int, float]) -> pl.DataFrame:
    """Sales, each as (day, customer, country, shop, amount), a second apart from midnight on."""
    frame = pl.DataFrame(
        [(*row[1:], _at(row[0], second)) for second, row in enumerate(rows)],
        schema=SCHEMA,
        orient="row",
    )
    return frame.sort("sold_at")


def _at(day: str, second: int) -> datetime:
    return datetime.fromisoformat(day).replace(tzinfo=UTC) + timedelta(seconds=second)


@dataclass
class SalesWorld:
    """Declarations over sales that a test may change, with so many shards."""

    folder: Path
    sales: pl.DataFrame
    shards: int
    store: OfflineStore = field(init=False)
    raises: Callable[[pl.DataFrame], None] | None = None

    def __post_init__(self) -> None:
        """Declare."""
        self.store = OfflineStore(str(self.folder))
        self.source, self.shops, self.members = self._source(), self._shops(), self._members()
        self.spend = self._spend()
        self.share = self._share()
        self.last = self._last()

    @property
    def groups(self) -> tuple[FeatureGroup, ...]:
        """In the order in which they can be computed."""
        return self.spend, self.share, self.last

    def read_inputs(self) -> None:
        """Commit the source and the dimensions."""
        for declared in (self.source, self.shops, self.members):
            self.materialize(declared)

    def materialize(self, declared: Materialized, days: Sequence[str] = DAYS) -> list[Outcome]:
        """In one step."""
        return list(materialize(declared, days, Run(self.store, "run")))

    def compute(
        self, group: FeatureGroup, days: Sequence[str] = DAYS, attempt: str = "run"
    ) -> list[Outcome]:
        """In shards, each of which sees the store as another process would."""
        staging = self.staging(group, attempt)
        plan_shards(group, days, self._another(), staging)
        for shard in shards_of(group):
            list(compute_shard(shard, self._another(), self.staging(group, attempt)))
        return self.commit(group, attempt)

    def commit(self, group: FeatureGroup, attempt: str = "run") -> list[Outcome]:
        """The last step of a computation in shards."""
        run = Run(self._another(), attempt)
        return list(commit_shards(group, run, self.staging(group, attempt)))

    def staging(self, group: FeatureGroup, attempt: str = "run") -> Staging:
        """Where shards leave what they made."""
        return Staging(self._another(), group.table, attempt)

    def rows(self, group: FeatureGroup) -> dict[str, pl.DataFrame]:
        """The committed rows of each partition."""
        snapshot = self.store.table(group.table).snapshot()
        return {day: snapshot.scan([day]).collect() for day in snapshot.commits}

    def generations(self, group: FeatureGroup) -> dict[str, int]:
        """The generation of each committed partition."""
        commits = self.store.table(group.table).snapshot().commits
        return {day: commit.generation for day, commit in commits.items()}

    def _another(self) -> OfflineStore:
        return OfflineStore(str(self.folder))

    def _source(self) -> Source:
        @source(schema=Sales, event_timestamp="sold_at", start=DAYS[0], owners=["team:shop"])
        def sales(start: datetime, end: datetime) -> pl.LazyFrame:
            """Sales."""
            return self.sales.lazy().filter(pl.col("sold_at").is_between(start, end, closed="left"))

        return sales

    def _shops(self) -> Dimension:
        @dimension(schema=Shops, owners=["team:shop"])
        def shops() -> pl.LazyFrame:
            """Shops."""
            return pl.LazyFrame({"shop": [1, 2, 3], "rate": [1.0, 0.1, 0.7]})

        return shops

    def _members(self) -> Dimension:
        @dimension(schema=Members, owners=["team:shop"])
        def members() -> pl.LazyFrame:
            """Members."""
            return pl.LazyFrame(
                [(f"c{number}", 1, number) for number in range(12)],
                schema={"customer": pl.String, "country": pl.Int64, "card": pl.Int64},
                orient="row",
            )

        return members

    def _keywords(self) -> dict[str, Any]:
        return {
            "entity": CUSTOMER,
            "owners": ["team:shop"],
            "buckets": BUCKETS,
            "shards": self.shards,
            "ttl": None,
        }

    def _spend(self) -> FeatureGroup:
        inputs: list[AnyInput] = [trailing(self.source, days=2), self.shops, self.members]

        @feature_group(schema=CustomerSpend, sources=inputs, **self._keywords())
        def customer_spend(
            sales: pl.LazyFrame, shops: pl.LazyFrame, members: pl.LazyFrame
        ) -> pl.LazyFrame:
            """Of all members, also of those who bought nothing."""
            if self.raises is not None:
                self.raises(sales.collect())
            key = ["customer", "country"]
            spent = (
                sales.join(shops, on="shop")
                .group_by(key)
                .agg(
                    sales=pl.len().cast(pl.Int64),
                    largest=pl.col("amount").max(),
                    spend=(pl.col("amount") * pl.col("rate")).sum(),
                )
            )
            nothing = [pl.col("sales", "spend").fill_null(0)]
            return members.select(key).join(spent, on=key, how="left").with_columns(nothing)

        return customer_spend

    def _share(self) -> FeatureGroup:
        inputs = [same_partition(self.spend)]

        @feature_group(schema=CustomerShare, sources=inputs, **self._keywords())
        def customer_share(customer_spend: pl.LazyFrame) -> pl.LazyFrame:
            """Of each customer."""
            bought = pl.when(pl.col("sales") > 0).then(pl.col("sales"))
            mean = pl.col("spend") / bought
            return customer_spend.select("customer", "country", mean=mean)

        return customer_share

    def _last(self) -> FeatureGroup:
        inputs = [same_partition(self.source)]

        @feature_group(schema=CustomerLast, sources=inputs, online="upsert", **self._keywords())
        def customer_last(sales: pl.LazyFrame) -> pl.LazyFrame:
            """The newest."""
            newest = sales.drop_nulls("customer").sort("sold_at").group_by("customer", "country")
            return newest.last().select(
                "customer", "country", pl.col("sold_at").alias("event_timestamp"), "shop"
            )

        return customer_last
