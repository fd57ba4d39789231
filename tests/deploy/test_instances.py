"""Every `dagster.yaml` is one that Dagster accepts, down to the settings of its plug-ins."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from shutil import copy
from typing import Any

import pytest
import yaml
from dagster._config import process_config, resolve_to_config_type
from dagster._core.instance.config import dagster_instance_config
from dagster._core.instance.ref import InstanceRef
from dagster._serdes import ConfigurableClassData

from headrace.contract.environment import DEPLOYMENTS
from headrace.tests.shared_deployments import SHARED

DEPLOY = Path(__file__).parents[2] / "deploy"
VARIABLES = {
    "DAGSTER_PG_HOST": "postgres",
    "DAGSTER_PG_PORT": "5432",
    "DAGSTER_PG_DB": "dagster",
    "DAGSTER_PG_USERNAME": "dagster",
    "DAGSTER_PG_PASSWORD": "a-secret",
    "DAGSTER_HOME": "/opt/dagster",
    "HEADRACE_K8S_NAMESPACE": "headrace",
    "HEADRACE_IMAGE": "headrace:1",
}


@pytest.fixture(params=DEPLOYMENTS)
def instance(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> InstanceRef:
    copy(DEPLOY / request.param / "dagster.yaml", tmp_path)
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    dagster_instance_config(str(tmp_path))  # raises when an entry is unknown or malformed
    return InstanceRef.from_dir(str(tmp_path))


def test_dagster_accepts_the_settings(instance: InstanceRef) -> None:
    plugins = list(_plugins(instance))

    assert len(plugins) >= 5
    for plugin in plugins:
        _check(plugin)


def test_a_misspelt_setting_of_a_plugin_would_be_found(instance: InstanceRef) -> None:
    plugin = next(_plugins(instance))
    wrong = plugin._replace(config_yaml=yaml.safe_dump({**plugin.config_dict, "hostnam": "x"}))

    with pytest.raises(AssertionError, match="hostnam"):
        _check(wrong)


@pytest.mark.parametrize("name", SHARED)
def test_a_shared_instance_takes_its_secrets_from_the_environment(name: str) -> None:
    settings = _settings(name)

    postgres = settings["storage"]["postgres"]["postgres_db"]
    launcher = settings["run_launcher"]["config"]
    assert postgres.pop("scheme") == "postgresql+psycopg2"
    assert all(set(value) == {"env"} for value in postgres.values())
    assert launcher["env_secrets"] == ["headrace-secrets"]
    assert "env_vars" not in launcher


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_every_deployment_has_one_writer_per_table(name: str) -> None:
    assert _settings(name)["concurrency"]["pools"] == {"default_limit": 1, "granularity": "op"}


def _settings(name: str) -> Mapping[str, Any]:
    settings: Mapping[str, Any] = yaml.safe_load((DEPLOY / name / "dagster.yaml").read_text())
    return settings


def _plugins(instance: InstanceRef) -> Iterator[ConfigurableClassData]:
    """The event log first: each deployment names one of its own."""
    assert instance.event_storage_data is not None
    yield instance.event_storage_data
    for data in instance._asdict().values():
        if isinstance(data, ConfigurableClassData):
            yield data


def _check(plugin: ConfigurableClassData) -> None:
    """Hold the settings against the plug-in's own schema, as Dagster does before it makes one."""
    kind = getattr(import_module(plugin.module_name), plugin.class_name)
    outcome = process_config(resolve_to_config_type(kind.config_type()), plugin.config_dict)
    assert outcome.success, [error.message for error in outcome.errors or ()]
