"""What commands do in a deployment whose parts run in pods."""

from pathlib import Path

import pytest

from headrace.cli.application import run
from headrace.cli.services import dagster_home
from headrace.contract.environment import Environment
from headrace.contract.errors import InvalidArgumentError
from headrace.tests.shared_deployments import SHARED, shared_variables


@pytest.fixture(params=SHARED)
def deployment(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    """The deployment that the environment of this process names."""
    name = str(request.param)
    for variable, value in shared_variables(name).items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setenv("HEADRACE_HOME", str(tmp_path / "home"))
    return name


@pytest.mark.parametrize("arguments", [["up"], ["demo", "--once"]])
def test_it_is_not_run_on_one_machine(
    deployment: str, arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = run(arguments)

    said = capsys.readouterr().err
    assert status == 2
    assert f"the parts of '{deployment}' run in pods, not on one machine" in said
    assert f"apply deploy/{deployment}" in said
    assert not (tmp_path / "home").exists()


def test_commands_record_runs_on_its_instance(
    deployment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))

    assert dagster_home(Environment.read()) == tmp_path
    assert deployment in SHARED


def test_without_that_instance_they_record_nowhere(
    deployment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)

    with pytest.raises(InvalidArgumentError, match="DAGSTER_HOME") as refused:
        dagster_home(Environment.read())

    assert f"deploy/{deployment}/dagster.yaml" in str(refused.value)
