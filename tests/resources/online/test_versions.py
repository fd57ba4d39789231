"""Flips: what is live, what was, and what may not be."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from headrace.contract.errors import UnknownNameError, VersionRefusedError
from headrace.contract.feature_group import Online
from headrace.resources.offline.catalogue_table import CatalogueTable
from headrace.resources.online.registry import Registry
from headrace.resources.online.versions import promote_versions, roll_back_versions
from headrace.tests.resources.online.publishing import Stage, group_of, stage_of

pytestmark = pytest.mark.server


@pytest.fixture
def stages(tmp_path: Path, valkey_url: str) -> Iterator[dict[str, Stage]]:
    """Two groups with three and two versions, each published for day 1; version 1 is live."""
    made = {}
    for name, version in (("spend", 1), ("spend", 2), ("spend", 3), ("store", 1), ("store", 2)):
        stage = stage_of(
            group_of(Online.SNAPSHOT, name=name, version=version), valkey_url, tmp_path
        )
        stage.commit(1, [(1, float(version))])
        stage.publish(1)
        made[stage.group.reference] = stage
    yield made
    for stage in made.values():
        stage.online.close()


def promote(stages: dict[str, Stage], *, force: bool = False, **targets: int) -> None:
    any_of = stages["spend@1"]
    promote_versions(targets, online=any_of.online, registry=any_of.registry, force=force)


def roll_back(stages: dict[str, Stage], *names: str) -> dict[str, int]:
    any_of = stages["spend@1"]
    return roll_back_versions(names, online=any_of.online, registry=any_of.registry)


def live(stages: dict[str, Stage]) -> dict[str, int | None]:
    """What is live, online and, equal to it, offline."""
    registry = stages["spend@1"].registry
    online = {name: group.live for name, group in registry.manifest().groups.items()}
    assert online == registry.recorded().live
    return online


def test_several_groups_go_live_in_one_flip(stages: dict[str, Stage]) -> None:
    registry = stages["spend@1"].registry
    before, instant = registry.manifest(), datetime.now(UTC)
    sequence = registry.recorded().sequence

    promote(stages, spend=2, store=2)

    assert live(stages) == {"spend": 2, "store": 2}
    after = registry.manifest()
    assert after.previous != before.previous
    assert registry.recorded().sequence == sequence + 2
    table = CatalogueTable(stages["spend@1"].offline)
    assert table.read("test", known_at=instant).live == {"spend": 1, "store": 1}


def test_promoting_what_is_live_changes_nothing(stages: dict[str, Stage]) -> None:
    before = stages["spend@1"].registry.recorded().sequence

    promote(stages, spend=1)

    assert stages["spend@1"].registry.recorded().sequence == before


def test_rollbacks_walk_back_one_promotion_each(stages: dict[str, Stage]) -> None:
    promote(stages, spend=2)
    promote(stages, spend=3)

    assert roll_back(stages, "spend") == {"spend": 2}
    assert roll_back(stages, "spend") == {"spend": 1}
    with pytest.raises(VersionRefusedError, match="no other version was live before spend@1"):
        roll_back(stages, "spend")
    assert live(stages) == {"spend": 1, "store": 1}


def test_a_promotion_after_a_rollback_is_what_the_next_rollback_undoes(
    stages: dict[str, Stage],
) -> None:
    promote(stages, spend=2)
    roll_back(stages, "spend")
    promote(stages, spend=3)

    assert roll_back(stages, "spend") == {"spend": 1}


def test_several_groups_are_rolled_back_together_or_not_at_all(stages: dict[str, Stage]) -> None:
    promote(stages, spend=2)

    with pytest.raises(VersionRefusedError, match="store"):
        roll_back(stages, "spend", "store")

    assert live(stages) == {"spend": 2, "store": 1}


def test_a_version_that_is_published_less_far_than_the_live_one_is_refused(
    stages: dict[str, Stage],
) -> None:
    stages["spend@1"].commit(2, [(1, 5.0)])
    stages["spend@1"].publish(2)

    with pytest.raises(VersionRefusedError, match="up to 2017-01-02T00:00Z, spend@1") as raised:
        promote(stages, spend=2, store=2)

    assert "--force" in str(raised.value)
    assert live(stages) == {"spend": 1, "store": 1}
    promote(stages, spend=2, force=True)
    assert live(stages) == {"spend": 2, "store": 1}


def test_a_version_that_is_not_published_is_refused_even_by_force(
    stages: dict[str, Stage],
) -> None:
    stage = stages["spend@1"]
    stage.registry.register(replace(stage.group, version=4))

    with pytest.raises(VersionRefusedError, match="not published completely"):
        promote(stages, spend=4, force=True)
    with pytest.raises(UnknownNameError, match="spend@5"):
        promote(stages, spend=5)


def test_a_flip_that_died_between_offline_and_online_is_finished_by_projecting(
    stages: dict[str, Stage],
) -> None:
    stage = stages["spend@1"]
    CatalogueTable(stage.offline).go_live("test", {"spend": 3, "store": 2})
    assert stage.registry.manifest().groups["spend"].live == 1

    Registry(stage.online, stage.offline).project()

    assert live(stages) == {"spend": 3, "store": 2}
