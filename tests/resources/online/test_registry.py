from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import redis

from headrace.contract.errors import UnknownNameError
from headrace.contract.feature_group import DType, FeatureServiceSpec, FeatureSpec, Online
from headrace.contract.store_keys import catalogue_key
from headrace.resources.offline.catalogue_table import CatalogueTable
from headrace.resources.offline.offline_store import OfflineStore
from headrace.resources.online.online_store import OnlineStore
from headrace.resources.online.registry import Registry
from headrace.tests.resources.online.publishing import SPEND, group_of

pytestmark = pytest.mark.server

GROUP = group_of(Online.SNAPSHOT)
BASKETS = FeatureSpec("baskets", DType.INT64, nullable=True)


def registry_of(url: str, folder: Path, namespace: str = "test") -> Registry:
    return Registry(OnlineStore(url, namespace), OfflineStore(str(folder / "offline")))


@pytest.fixture
def registry(valkey_url: str, tmp_path: Path) -> Registry:
    return registry_of(valkey_url, tmp_path)


def test_a_registered_group_is_known_and_not_live(registry: Registry) -> None:
    published = registry.register(GROUP)

    assert registry.document(published.document) == GROUP
    assert registry.manifest().groups["household_spend"].versions == {1: published}
    assert registry.manifest().groups["household_spend"].live is None


def test_registering_again_changes_nothing(registry: Registry, valkey_url: str) -> None:
    published = registry.register(GROUP)
    with redis.Redis.from_url(valkey_url) as client:
        before = client.get(catalogue_key("test"))

        assert registry.register(GROUP) == published
        assert client.get(catalogue_key("test")) == before


def test_ids_are_unique_over_groups_versions_and_namespaces(
    registry: Registry, valkey_url: str, tmp_path: Path
) -> None:
    other = registry_of(valkey_url, tmp_path / "other", "elsewhere")
    groups = [GROUP, replace(GROUP, version=2), replace(GROUP, name="household_store")]

    ids = [each.register(group).group_id for group in groups for each in (registry, other)]

    assert sorted(ids) == [1, 2, 3, 4, 5, 6]


def test_groups_registered_at_once_all_stand_in_the_manifest(
    valkey_url: str, tmp_path: Path
) -> None:
    groups = [replace(GROUP, name=f"group_{number}") for number in range(8)]

    with ThreadPoolExecutor(4) as threads:
        published = list(
            threads.map(lambda group: registry_of(valkey_url, tmp_path).register(group), groups)
        )

    manifest = registry_of(valkey_url, tmp_path).manifest()
    assert {name: group.versions[1] for name, group in manifest.groups.items()} == dict(
        zip([group.name for group in groups], published, strict=True)
    )
    assert len({each.group_id for each in published}) == 8


def test_a_flushed_store_is_given_back_ids_and_documents(
    registry: Registry, valkey_url: str, tmp_path: Path
) -> None:
    first, second = registry.register(GROUP), registry.register(replace(GROUP, version=2))
    registry.go_live({"household_spend": 2})
    with redis.Redis.from_url(valkey_url) as client:
        client.flushall()
    again = registry_of(valkey_url, tmp_path)

    restored = again.register(replace(GROUP, version=2)), again.register(GROUP)

    assert restored == (second, first)


def test_a_former_id_that_was_given_away_after_a_flush_is_not_taken_back(
    registry: Registry, valkey_url: str, tmp_path: Path
) -> None:
    registry.register(GROUP)
    with redis.Redis.from_url(valkey_url) as client:
        client.flushall()
    taken = registry_of(valkey_url, tmp_path / "other", "elsewhere").register(GROUP).group_id

    group_id = registry.register(GROUP).group_id

    assert (taken, group_id) == (1, 2)
    assert registry.recorded().versions["household_spend", 1].group_id == 2


def test_an_added_feature_gets_a_schema_of_its_own(registry: Registry) -> None:
    before = registry.register(GROUP)

    after = registry.register(replace(GROUP, features=(SPEND, BASKETS)))

    group = registry.document(after.document)
    assert group.schemas == ((SPEND,), (SPEND, BASKETS))
    assert after.group_id == before.group_id


def test_a_new_description_is_no_new_schema(registry: Registry) -> None:
    registry.register(GROUP)
    described = replace(SPEND, description="Sales value.")

    published = registry.register(replace(GROUP, features=(described,)))

    group = registry.document(published.document)
    assert (group.features, group.all_schemas) == ((described,), ((described,),))


def test_the_schemas_outlive_a_flush(registry: Registry, valkey_url: str, tmp_path: Path) -> None:
    registry.register(GROUP)
    wider = replace(GROUP, features=(SPEND, BASKETS))
    published = registry.register(wider)
    with redis.Redis.from_url(valkey_url) as client:
        client.flushall()

    assert registry_of(valkey_url, tmp_path).register(wider) == published


def test_going_live_is_recorded_offline(registry: Registry, tmp_path: Path) -> None:
    registry.register(GROUP)
    registry.register(replace(GROUP, version=2))
    registry.go_live({"household_spend": 1})
    between = datetime.now(UTC)

    registry.go_live({"household_spend": 2})

    table = CatalogueTable(OfflineStore(str(tmp_path / "offline")))
    assert registry.manifest().groups["household_spend"].live == 2
    assert table.read("test").live == {"household_spend": 2}
    assert table.read("test", known_at=between).live == {"household_spend": 1}
    assert table.read("test", known_at=between - timedelta(hours=1)).live == {}


def test_only_a_registered_version_goes_live(registry: Registry) -> None:
    registry.register(GROUP)

    with pytest.raises(UnknownNameError, match="household_spend@1"):
        registry.go_live({"household_spend": 2})


def test_the_first_version_to_finish_goes_live_and_stays(registry: Registry) -> None:
    registry.register(GROUP)
    registry.register(replace(GROUP, version=2))

    registry.go_live_first("household_spend", 2)
    registry.go_live_first("household_spend", 1)

    assert registry.manifest().groups["household_spend"].live == 2


def test_a_flip_names_the_manifest_that_it_replaced(registry: Registry, valkey_url: str) -> None:
    registry.register(GROUP)
    with redis.Redis.from_url(valkey_url, decode_responses=True) as client:
        before = client.get(catalogue_key("test"))

    registry.go_live({"household_spend": 1})

    assert registry.manifest().previous == before


def test_services_are_replaced_by_name(registry: Registry) -> None:
    service = FeatureServiceSpec("coupons", 1, ("household_spend:spend",), ("team:test",))
    other = replace(service, name="other")
    registry.register_services([service, other])

    registry.register_services([replace(service, version=2)])

    assert registry.manifest().services == {
        "coupons": replace(service, version=2),
        "other": other,
    }
