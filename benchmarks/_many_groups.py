"""A package of generated declarations, one file for each group, as teams would write them."""

from pathlib import Path

PACKAGE = "many_groups"
CLOCK = "2024-01-01T00:00:00Z"
START = "2021-01-01"  # three years of daily partitions
FEATURES = 10
_WINDOWS = (1, 7, 30)
_SOURCES = 3
_OF_A_GROUP = 10  # every tenth

_SOURCE = '''\
"""Events number {number}."""

from datetime import datetime

import pandera.polars as pa
import polars as pl

from headrace.assets.authoring import EventTimestamp, source


class Events{number}(pa.DataFrameModel):
    """An event."""

    customer_id: int
    amount: float = pa.Field(ge=0, description="Dollars.")
    kind: str
    happened_at: EventTimestamp


@source(
    schema=Events{number}, event_timestamp="happened_at", start="{start}", owners=["team:events"]
)
def events_{number}(start: datetime, end: datetime) -> pl.LazyFrame:
    """Events with start <= happened_at < end."""
    columns = {{"customer_id": [1], "amount": [1.0], "kind": ["a"], "happened_at": [start]}}
    return pl.LazyFrame(columns, schema=dict(events_{number}.columns))
'''
_GROUP = '''\
"""Sums of events over {days} days."""

from datetime import timedelta

import pandera.polars as pa
import polars as pl

from headrace.assets.authoring import Entity, feature_group, trailing
from {package}.{module} import {upstream}

CUSTOMER = Entity("customer", join_keys={{"customer_id": pl.Int64}})


class Group{number}(pa.DataFrameModel):
    """One row per customer with an event in {days} days."""

    customer_id: int
{fields}


@feature_group(
    entity=CUSTOMER,
    schema=Group{number},
    sources=[trailing({upstream}, days={days})],
    ttl=timedelta(days=3),
    owners=["team:growth"],
)
def group_{number}({upstream}: pl.LazyFrame) -> pl.LazyFrame:
    """Amounts of a customer over {days} days."""
    amount = pl.col("{column}")
    sums = {{f"sum_{{place}}": (amount * (place + 1)).sum() for place in range({features})}}
    return {upstream}.group_by("customer_id").agg(**sums)
'''
_FIELD = '    sum_{place}: float = pa.Field(ge=0, description="Amount times {factor}.")'


def write_package(folder: Path, groups: int) -> None:
    """Write `many_groups` into a folder; every tenth group is computed from the one before it."""
    package = folder / PACKAGE
    package.mkdir(parents=True)
    (package / "__init__.py").write_text('"""Generated."""\n')
    for number in range(_SOURCES):
        (package / f"events_{number}.py").write_text(_SOURCE.format(number=number, start=START))
    fields = "\n".join(_FIELD.format(place=place, factor=place + 1) for place in range(FEATURES))
    for number in range(groups):
        of_group = (number + 1) % _OF_A_GROUP == 0
        upstream = f"group_{number - 1}" if of_group else f"events_{number % _SOURCES}"
        (package / f"group_{number}.py").write_text(
            _GROUP.format(
                number=number,
                package=PACKAGE,
                module=upstream,
                upstream=upstream,
                days=_WINDOWS[number % len(_WINDOWS)],
                fields=fields,
                column="sum_0" if of_group else "amount",
                features=FEATURES,
            )
        )
