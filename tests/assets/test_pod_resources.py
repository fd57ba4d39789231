"""Resources of steps: what may be asked for, what becomes of it, and what is refused."""

from typing import Any

import pytest
from dagster_k8s import DagsterK8sJobConfig, construct_dagster_k8s_job
from dagster_k8s.job import get_user_defined_k8s_config

from headrace.assets.declarations import FeatureGroup
from headrace.assets.factory.offline import offline_asset
from headrace.contract.clock import Clock
from headrace.contract.errors import DefinitionError
from headrace.tests.assets.changeable_declarations import declared_group, declared_source


def container(group: FeatureGroup) -> dict[str, Any]:
    """The container of the pod that computes a group, as it is sent to Kubernetes."""
    config = get_user_defined_k8s_config(offline_asset(group, Clock()).op.tags)
    job = construct_dagster_k8s_job(
        DagsterK8sJobConfig(job_image="headrace:1", dagster_home="/opt/dagster"),
        ["dagster"],
        "step",
        user_defined_k8s_config=config,
    )
    found: dict[str, Any] = job.to_dict()["spec"]["template"]["spec"]["containers"][0]
    return found


def test_resources_are_requested_and_limit_all_but_cpus() -> None:
    asked = {"cpu": "1500m", "memory": "8Gi", "nvidia.com/gpu": "1"}

    made = container(declared_group(resources=asked))

    assert made["resources"]["requests"] == asked
    assert made["resources"]["limits"] == {"memory": "8Gi", "nvidia.com/gpu": "1"}


def test_polars_is_told_how_many_cpus_are_its_own() -> None:
    made = container(declared_group(resources={"cpu": "1500m"}))

    assert {"name": "POLARS_MAX_THREADS", "value": "2"}.items() <= made["env"][-1].items()


def test_who_asks_for_nothing_gets_what_the_instance_gives() -> None:
    assert not any(container(declared_group())["resources"].values())


def test_other_resources_are_no_other_computation() -> None:
    ours, theirs = declared_group(), declared_group(resources={"cpu": "2"})

    assert ours.code_version == theirs.code_version


@pytest.mark.parametrize(
    ("resources", "message"),
    [
        (
            {"memroy": "8Gi"},
            (
                "there is no resource 'memroy'. Use 'cpu', 'memory', 'ephemeral-storage', or a"
                " device as 'nvidia.com/gpu'"
            ),
        ),
        (
            {"memory": "8GB"},
            (
                "'8GB' is no quantity of memory. Write bytes as a string with a unit of Kubernetes:"
                ' "8Gi", "512Mi", "2G"'
            ),
        ),
        (
            {"cpu": 2},
            '2 is no quantity of cpu. Write CPUs as a string: "2", "0.5" or "500m"',
        ),
        ({"cpu": "0.0"}, "'0.0' of cpu is nothing. Leave it out, or ask more"),
        (
            {"nvidia.com/gpu": "500m"},
            "'500m' is no quantity of nvidia.com/gpu. Devices are counted, as a string: \"1\"",
        ),
        ("2Gi", '\'2Gi\' names no resources. Write {"cpu": "2"}'),
    ],
)
def test_a_resource_that_kubernetes_would_not_understand_is_refused(
    resources: object, message: str
) -> None:
    with pytest.raises(DefinitionError) as refused:
        declared_group(resources=resources)

    assert str(refused.value) == f"feature group 'user_clicks', resources: {message}"


def test_sources_ask_in_the_same_words() -> None:
    with pytest.raises(DefinitionError, match="source 'clicks', resources"):
        declared_source(resources={"cpus": "2"})
