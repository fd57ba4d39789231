"""A generated client is correct code, and says so when it no longer is."""

import asyncio
import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import FrozenInstanceError, replace
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import redis

from headrace.cli.application import run
from headrace.contract.errors import ContractChangedError, InvalidEntityError, RefusedRequestError
from headrace.contract.feature_group import DType, EntitySpec, JoinKey
from headrace.serving.client import AsyncFeatureClient, FeatureClient
from headrace.serving.online_features import OnlineFeatures
from headrace.tests.serving.publishing import NOW, VISIT, Publisher, evolved, group
from headrace.tests.serving.running import served, settings

pytestmark = pytest.mark.server

ROOT = Path(__file__).parents[2]
SERVICE = "coupon_redemption"
SPEND, BASKETS = "household_spend__spend_30d", "household_spend__baskets_7d"


@pytest.fixture
def publisher(valkey_url: str) -> Iterator[Publisher]:
    with redis.Redis.from_url(valkey_url) as store:
        made = Publisher(store, "default")
        made.publish(group(), {(1,): (12.5, None), (2,): (0.5, 3)})
        made.register_service(SERVICE, ["household_spend:baskets_7d", "household_spend:spend_30d"])
        yield made


@pytest.fixture
def server(valkey_url: str, publisher: Publisher) -> Iterator[str]:
    assert publisher.manifest.services
    with served(settings(valkey_url)) as address:
        yield address


def generated(server: str, path: Path) -> ModuleType:
    """Run the command, and import what it wrote."""
    assert run(["generate-client", SERVICE, "--out", str(path), "--server", server]) == 0
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def followed(publisher: Publisher, server: str, canary: str) -> None:
    """Wait until the server has read the newest catalogue."""
    publisher.publish(group(canary), {})
    with FeatureClient(server) as client:
        client.get_contracts([canary])


def test_it_looks_up_rows_of_named_and_typed_fields(server: str, tmp_path: Path) -> None:
    made = generated(server, tmp_path / "made.py")

    with FeatureClient(server) as client:
        first, second, stranger = made.lookup(client, household_id=[1, 2, 3])

    assert first == made.CouponRedemptionRow(1, **{BASKETS: None, SPEND: 12.5})
    assert (getattr(second, BASKETS), getattr(second, SPEND)) == (3, 0.5)
    assert (stranger.household_id, getattr(stranger, SPEND)) == (3, None)
    with pytest.raises(FrozenInstanceError):
        first.household_id = 4


class _Remembering(FeatureClient):
    """Remembers whether its lookups wanted projected rows."""

    def get_online_features(self, *features: Any, **asked: Any) -> OnlineFeatures:  # noqa: ANN401  # any of its arguments
        self.projected = asked["project"]
        return super().get_online_features(*features, **asked)


@pytest.mark.parametrize("project", [False, True])
def test_it_asks_for_projected_rows_when_told_to(
    server: str, tmp_path: Path, *, project: bool
) -> None:
    made = generated(server, tmp_path / "made.py")

    with _Remembering(server) as client:
        (row,) = made.lookup(client, household_id=[2], project=project)

    assert client.projected == project
    assert row == made.CouponRedemptionRow(2, **{BASKETS: 3, SPEND: 0.5})


def test_its_async_lookup_answers_the_same(server: str, tmp_path: Path) -> None:
    made = generated(server, tmp_path / "made.py")

    async def main() -> object:
        async with AsyncFeatureClient(server) as client:
            asked = {"household_id": [2], "max_age": timedelta(days=1), "project": True}
            return await made.lookup_async(client, **asked)

    assert asyncio.run(main()) == [made.CouponRedemptionRow(2, **{BASKETS: 3, SPEND: 0.5})]


def test_the_same_contract_makes_the_same_file(server: str, tmp_path: Path) -> None:
    for name in ("one.py", "other.py"):
        generated(server, tmp_path / name)

    assert (tmp_path / "one.py").read_bytes() == (tmp_path / "other.py").read_bytes()


def test_a_feature_that_was_added_changes_nothing_for_it(
    publisher: Publisher, server: str, tmp_path: Path
) -> None:
    made = generated(server, tmp_path / "made.py")
    after = evolved(group(), "visits_7d", DType.INT32)
    publisher.register(after)
    publisher.register_service(SERVICE, ["household_spend"])
    followed(publisher, server, "canary")

    with FeatureClient(server) as client:
        (row,) = made.lookup(client, household_id=[2])

    assert row == made.CouponRedemptionRow(2, **{BASKETS: 3, SPEND: 0.5})


def test_a_feature_that_is_gone_or_of_another_type_is_named(
    publisher: Publisher, server: str, tmp_path: Path
) -> None:
    made = generated(server, tmp_path / "made.py")
    publisher.publish(group(version=2, features={"baskets_7d": DType.STRING}), {})
    publisher.register_service(SERVICE, ["household_spend:baskets_7d"])
    followed(publisher, server, "canary")

    with FeatureClient(server) as client, pytest.raises(ContractChangedError) as refused:
        made.lookup(client, household_id=[2])

    assert refused.value.changes == (f"{SPEND} is gone", f"{BASKETS} is STRING, not INT64")
    assert "headrace generate-client coupon_redemption" in str(refused.value)


def test_a_feature_that_left_the_service_alone_is_named(
    publisher: Publisher, server: str, tmp_path: Path
) -> None:
    """The group's contract is what it was; only the list of the service is shorter."""
    made = generated(server, tmp_path / "made.py")
    publisher.register_service(SERVICE, ["household_spend:baskets_7d"])
    followed(publisher, server, "canary")

    with FeatureClient(server) as client, pytest.raises(ContractChangedError, match="is gone"):
        made.lookup(client, household_id=[2])


@pytest.mark.parametrize(
    ("entity", "change"),
    [
        (VISIT, "store_id is needed now"),
        (
            EntitySpec("household", (JoinKey("household_id", DType.STRING),)),
            "household_id is STRING, not INT64",
        ),
    ],
)
def test_join_keys_that_changed_are_named(
    publisher: Publisher, server: str, tmp_path: Path, *, entity: EntitySpec, change: str
) -> None:
    made = generated(server, tmp_path / "made.py")
    publisher.publish(replace(group(version=2), entity=entity), {}, at=NOW)
    followed(publisher, server, "canary")

    with FeatureClient(server) as client, pytest.raises(ContractChangedError) as refused:
        made.lookup(client, household_id=[2])

    assert refused.value.changes == (change,)


def test_a_wrong_value_stays_the_callers_mistake(server: str, tmp_path: Path) -> None:
    made = generated(server, tmp_path / "made.py")

    with FeatureClient(server) as client, pytest.raises(InvalidEntityError):
        made.lookup(client, household_id=["2"])


def test_a_service_that_is_gone_is_named(publisher: Publisher, server: str, tmp_path: Path) -> None:
    made = generated(server, tmp_path / "made.py")
    publisher.flip(replace(publisher.manifest, services={}))
    followed(publisher, server, "canary")

    with (
        FeatureClient(server) as client,
        pytest.raises(RefusedRequestError, match="no feature service 'coupon_redemption'"),
    ):
        made.lookup(client, household_id=[2])


def test_what_is_generated_passes_linter_formatter_and_type_checker(
    publisher: Publisher, server: str, tmp_path: Path
) -> None:
    """Of every type, with join keys and descriptions that no generator would choose."""
    entity = EntitySpec("visit", (JoinKey("class", DType.STRING), JoinKey("stale", DType.DATE)))
    features = {dtype.name.lower(): dtype for dtype in DType}
    spec = group("everything", features=features, entity=entity)
    odd = (
        'Ends a docstring: """ and escapes \\ from it: – it’s long, \u0430, '
        + "very " * 30
        + "long."
    )
    described = tuple(replace(feature, description=odd) for feature in spec.features)
    publisher.publish(replace(spec, features=described), {})
    publisher.register_service(SERVICE, ["household_spend", "everything"])
    followed(publisher, server, "canary")
    generated(server, tmp_path / "made.py")
    (tmp_path / "__init__.py").write_text('"""A package."""\n')

    for command in (
        ["ruff", "check", "--config", "pyproject.toml", str(tmp_path)],
        ["ruff", "format", "--check", "--config", "pyproject.toml", str(tmp_path)],
        ["mypy", "--strict", str(tmp_path / "made.py")],
    ):
        program = Path(sys.executable).with_name(command[0])
        done = subprocess.run(
            [str(program), *command[1:]],
            cwd=ROOT,
            env={**os.environ, "MYPYPATH": ".types"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
