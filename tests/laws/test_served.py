"""Online equals offline through everything: a real server, its clock, the network, the client."""

from datetime import timedelta
from itertools import count

import polars as pl
import pytest

from headrace.assets.point_in_time import training_frame
from headrace.contract.clock import Clock
from headrace.contract.feature_group import DType, Online
from headrace.contract.status import Status
from headrace.serving.client import FeatureClient
from headrace.tests.laws.publishing import empty_stage
from headrace.tests.laws.schedules import Commit
from headrace.tests.laws.worlds import (
    LENGTHS,
    MICROSECOND,
    VALUES,
    Fact,
    World,
    world_of_every_dtype,
)
from headrace.tests.serving.running import served, settings

pytestmark = pytest.mark.server


def fact(world: World, place: int, number: int, serial: int) -> Fact:
    """A row whose values are all null where its number is odd."""
    at = world.end_of(number)
    if world.group.online is Online.UPSERT:
        at -= world.length / 2
    values = [None if serial % 2 else VALUES[dtype][serial % 4 // 2] for dtype in DType]
    return Fact(world.entities[place], at, (serial, *values))


@pytest.mark.parametrize("partitions", sorted(LENGTHS))
@pytest.mark.parametrize("online", list(Online))
def test_a_client_gets_the_values_types_and_nulls_that_training_has(
    online: Online, partitions: str, valkey_url: str
) -> None:
    serial = count(1)
    world = world_of_every_dtype(online, partitions)
    with empty_stage(world, valkey_url) as stage:
        for number, places in enumerate([(0, 1, 2), (1, 3), (0, 1)]):
            rows = [fact(world, place, number, next(serial)) for place in places]
            stage.perform(Commit(world, {number: rows}, deferred=False))
            stage.publish(number)
        end, ttl = world.end_of(2), world.group.ttl
        assert ttl is not None
        born = end if online is Online.SNAPSHOT else end - world.length / 2
        seen = set()
        for now in (end, born + ttl, born + ttl + MICROSECOND, end + timedelta(days=99)):
            spine = world.spine([(entity, now) for entity in stage.entities])
            frame, _ = training_frame(spine, [world.group.name], stage.store)
            with (
                served(settings(valkey_url, clock=lambda now=now: Clock(now))) as address,
                FeatureClient(address) as client,
            ):
                got = client.get_online_features(
                    [world.group.name],
                    entities={name: spine[name] for name in world.group.entity.key_names},
                )

            columns = [*world.group.entity.key_names, *got.feature_names]
            table = pl.DataFrame(pl.from_arrow(got.to_arrow()))
            assert table.equals(frame.select(columns))
            assert table.schema == frame.select(columns).schema
            seen |= {Status(int(status)) for status in got.statuses.flat}

    assert seen == {Status.PRESENT, Status.NULL, Status.STALE, Status.NOT_FOUND}
