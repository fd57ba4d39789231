"""A feature that is added while somebody publishes: no row of it is served, or proven, without."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from headrace.contract.catalogue import PublishedVersion
from headrace.contract.feature_group import DType, FeatureGroupSpec, FeatureSpec, Online
from headrace.contract.proto.headrace.v1.feature_service_pb2 import FeatureRow
from headrace.contract.rows import codecs
from headrace.resources.online.publisher import publish_partition
from headrace.resources.online.rebuild import rebuild_group
from headrace.resources.online.registry import Registry
from headrace.resources.online.row_encoding import encode_values
from headrace.tests.resources.online.publishing import SPEND, Stage, group_of, key_of, stage_of

pytestmark = pytest.mark.server

VISITS = FeatureSpec("visits", DType.INT64, nullable=True)


class InterruptedRegistry(Registry):
    """A registry, and what others do right after its first registration."""

    def __init__(self, stage: Stage, others: Callable[[], object]) -> None:
        super().__init__(stage.online, stage.offline)
        self._others: Callable[[], object] | None = others

    def register(self, group: FeatureGroupSpec) -> PublishedVersion:
        published = super().register(group)
        others, self._others = self._others, None
        if others is not None:
            others()
        return published


@pytest.fixture(params=Online)
def stage(request: pytest.FixtureRequest, valkey_url: str, tmp_path: Path) -> Stage:
    return stage_of(group_of(request.param), valkey_url, tmp_path)


def wider(stage: Stage) -> Stage:
    """The same group and stores, once its author has added a feature."""
    return Stage(replace(stage.group, features=(SPEND, VISITS)), stage.online, stage.offline)


def rows(stage: Stage, *values: object) -> list[tuple[object, ...]]:
    return [(1, *values)] if stage.group.online is Online.SNAPSHOT else [(1, 9, *values)]


def served(stage: Stage) -> list[object]:
    """What a reader is given of household 1."""
    (raw,) = stage.rows().rows([stage.key(1)])
    published = stage.registry.published(stage.group.name, stage.group.version)
    assert raw is not None
    assert published is not None
    schemas = codecs(stage.registry.document(published.document).all_schemas)
    return list(schemas[FeatureRow.FromString(raw).schema_id].decode(raw).values)


def publish(stage: Stage, number: int, others: Callable[[], object]) -> None:
    registry = InterruptedRegistry(stage, others)
    publish_partition(
        stage.group, stage.table, key_of(number), online=stage.online, registry=registry
    )


def test_a_commit_that_adds_a_feature_while_its_partition_is_published_is_served_with_it(
    stage: Stage,
) -> None:
    wide = wider(stage)
    stage.commit(1, rows(stage, 1.0))

    publish(stage, 1, lambda: wide.commit(1, rows(wide, 1.5, 7)))
    for partition in wide.unpublished():
        assert partition == key_of(1)
        wide.publish(1)

    assert served(wide) == [1.5, 7]
    assert wide.verify().is_clean


def test_a_row_that_a_correction_brings_back_has_the_feature_that_was_added_meanwhile(
    valkey_url: str, tmp_path: Path
) -> None:
    stage = stage_of(group_of(Online.UPSERT), valkey_url, tmp_path)
    for number in (1, 2):
        stage.commit(number, rows(stage, float(number)))
        stage.publish(number)
    stage.commit(2, [])
    wide = wider(stage)

    def others() -> None:
        wide.commit(1, rows(wide, 1.5, 7))
        wide.publish(1)

    publish(stage, 2, others)

    assert served(wide) == [1.5, 7]
    assert wide.verify().equal == 1
    assert wide.unpublished() == []


def test_a_row_without_a_feature_that_its_commit_has_is_no_proof(stage: Stage) -> None:
    stage.commit(1, rows(stage, 1.0))
    stage.publish(1)
    wide = wider(stage)
    commit = wide.commit(1, rows(wide, 1.5, 7))
    wide.publish(1)
    published = wide.registry.published(wide.group.name, 1)
    assert published is not None
    group = wide.registry.document(published.document)
    (narrow,) = encode_values(group, wide.table.snapshot().scan().collect(), commit, 0)

    with wide.online.errors() as client:
        client.set(wide.key(1), narrow)
    found = wide.verify()

    assert (found.equal, found.differing) == (0, 1)


def test_a_rebuild_registers_what_is_recorded_and_not_what_is_declared(stage: Stage) -> None:
    stage.commit(1, rows(stage, 1.0))
    wide = wider(stage)

    rebuild_group(wide.group, wide.table, online=wide.online, registry=wide.registry)

    assert served(wide) == [1.0]
    assert wide.unpublished() == []
