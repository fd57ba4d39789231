from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from headrace.contract.durability import Durability
from headrace.contract.environment import Environment
from headrace.contract.errors import InvalidArgumentError


def test_an_empty_environment_has_defaults_that_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    environment = Environment.read({})

    assert environment == Environment(
        home=tmp_path / ".headrace",
        namespace="default",
        packages=(),
        redis=None,
        offline=str(tmp_path / ".headrace" / "offline"),
        asked_clock=None,
    )
    assert environment.redis_url == f"unix://{environment.valkey_socket}"


def test_every_variable_is_read(tmp_path: Path) -> None:
    environment = Environment.read(
        {
            "HEADRACE_HOME": str(tmp_path),
            "HEADRACE_NAMESPACE": "staging",
            "HEADRACE_PACKAGES": "team_a, team_b",
            "HEADRACE_REDIS": "redis://localhost:6380/1",
            "HEADRACE_OFFLINE": "s3://bucket/features",
            "HEADRACE_CLOCK": "2018-01-02T00:00:00Z",
            "HEADRACE_WAIT_REPLICAS": "1,cart=2",
            "HEADRACE_WAIT_SECONDS": "0.5",
            "HEADRACE_DEPLOYMENT": "staging",
        },
    )

    assert environment.namespace == "staging"
    assert environment.packages == ("team_a", "team_b")
    assert environment.redis_url == "redis://localhost:6380/1"
    assert environment.offline == "s3://bucket/features"
    assert environment.asked_clock == datetime(2018, 1, 2, tzinfo=UTC)
    assert environment.deployment == "staging"
    assert environment.durability == Durability(1, {"cart": 2}, timedelta(seconds=0.5))


@pytest.mark.parametrize(
    "variables",
    [
        {"HEADRACE_CLOCK": "soon"},
        {"HEADRACE_NAMESPACE": "a:b"},
        {"HEADRACE_DEPLOYMENT": "prodution"},
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_name(variables: dict[str, str]) -> None:
    (name,) = variables

    with pytest.raises(InvalidArgumentError, match=name):
        Environment.read(variables)


def test_a_long_home_has_a_socket_that_the_system_accepts(tmp_path: Path) -> None:
    environment = Environment.read({"HEADRACE_HOME": str(tmp_path / ("deep" * 40))})

    assert len(str(environment.valkey_socket)) <= 107
    assert environment.valkey_socket == environment.valkey_socket
