import dagster as dg
import pytest

from headrace.contract.environment import Environment
from headrace.contract.errors import InvalidArgumentError
from headrace.definitions import build_definitions
from headrace.resources.deployments import Deployment
from headrace.tests.shared_deployments import SHARED, shared_variables


@pytest.mark.parametrize("name", SHARED)
def test_a_shared_deployment_gives_each_step_a_pod(name: str) -> None:
    definitions = build_definitions(Environment.read(shared_variables(name)))

    dg.Definitions.validate_loadable(definitions)
    job = definitions.resolve_implicit_global_asset_job_def()
    assert job.executor_def.name == "k8s"


def test_locally_steps_run_in_the_process_of_their_run() -> None:
    definitions = build_definitions(Environment.read({}))

    assert definitions.resolve_implicit_global_asset_job_def().executor_def.name == "in_process"


@pytest.mark.parametrize("name", SHARED)
@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("HEADRACE_OFFLINE", "/var/features"),
        ("HEADRACE_OFFLINE", ""),
        ("HEADRACE_REDIS", "redis://:secret@cache:6379"),
        ("HEADRACE_REDIS", ""),
    ],
)
def test_stores_that_pods_could_not_share_are_refused(name: str, variable: str, value: str) -> None:
    environment = Environment.read({**shared_variables(name), variable: value})

    with pytest.raises(InvalidArgumentError, match=variable) as refused:
        Deployment.of(environment)

    assert name in str(refused.value)
    assert "secret" not in str(refused.value)
