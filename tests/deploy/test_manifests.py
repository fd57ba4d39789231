"""The manifests are what Kubernetes takes, and fit to each other and to Dagster's settings."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from headrace.contract.environment import Environment
from headrace.resources.deployments import SHAPES
from headrace.tests.fake_kubernetes.cluster import VERSION
from headrace.tests.shared_deployments import SHARED

DEPLOY = Path(__file__).parents[2] / "deploy"
SECRETS = {"DAGSTER_PG_PASSWORD", "HEADRACE_REDIS", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}


def kustomization(folder: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / folder / "kustomization.yaml").read_text())
    return found


def objects() -> list[dict[str, Any]]:
    """What every shared deployment runs."""
    files = kustomization("kubernetes")["resources"]
    assert {*files, "kustomization.yaml", "workspace.yaml"} == {
        path.name for path in (DEPLOY / "kubernetes").iterdir()
    }
    return [
        found
        for name in files
        for found in yaml.safe_load_all((DEPLOY / "kubernetes" / name).read_text())
    ]


def named(kind: str) -> dict[str, dict[str, Any]]:
    return {each["metadata"]["name"]: each for each in objects() if each["kind"] == kind}


def containers() -> Iterator[dict[str, Any]]:
    for deployment in named("Deployment").values():
        yield from deployment["spec"]["template"]["spec"]["containers"]


def variables(name: str) -> dict[str, str]:
    lines = (DEPLOY / name / "environment.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if not line.startswith("#"))


def settings(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / name / "dagster.yaml").read_text())
    return found


@pytest.mark.parametrize(
    "found", objects(), ids=lambda each: f"{each['kind']} {each['metadata']['name']}"
)
def test_kubernetes_takes_every_object(found: dict[str, Any]) -> None:
    kubernetes_validate.validate(found, VERSION, strict=True)


def test_a_misspelt_field_would_be_found() -> None:
    wrong = next(each for each in objects() if each["kind"] == "Deployment")
    wrong["spec"]["template"]["spec"]["containers"][0]["comand"] = ["headrace"]

    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSION, strict=True)


def test_services_find_the_pods_that_they_mean() -> None:
    apps = {
        each["spec"]["template"]["metadata"]["labels"]["app"]: each
        for each in named("Deployment").values()
    }
    for service in named("Service").values():
        deployment = apps[service["spec"]["selector"]["app"]]
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        ports = {port["name"] for port in container["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports


def test_the_workspace_names_the_service_of_the_code() -> None:
    workspace = yaml.safe_load((DEPLOY / "kubernetes" / "workspace.yaml").read_text())
    (location,) = workspace["load_from"]
    ports = named("Service")[location["grpc_server"]["host"]]["spec"]["ports"]

    assert location["grpc_server"]["port"] in {port["port"] for port in ports}


def test_no_secret_stands_here_and_the_server_gets_one_alone() -> None:
    assert not named("Secret")
    for container in containers():
        for each in container.get("env", ()):
            assert ("value" in each) != (each["name"] in SECRETS)
    (server,) = (each for each in containers() if each["name"] == "server")
    assert [each["name"] for each in server["env"]] == ["HEADRACE_REDIS"]
    assert not any("secretRef" in source for source in server["envFrom"])


def test_whoever_launches_runs_may_make_jobs_and_the_server_may_nothing() -> None:
    accounts = {
        name: each["spec"]["template"]["spec"]["serviceAccountName"]
        for name, each in named("Deployment").items()
    }
    (binding,) = named("RoleBinding").values()

    assert [subject["name"] for subject in binding["subjects"]] == ["headrace"]
    assert accounts["headrace-daemon"] == accounts["headrace-web"] == "headrace"
    assert accounts["headrace-server"] != "headrace"


@pytest.mark.parametrize("name", SHARED)
def test_what_a_deployment_names_is_there(name: str) -> None:
    overlay, launcher = kustomization(name), settings(name)["run_launcher"]["config"]
    generated = {each["name"] for each in overlay["configMapGenerator"]}
    generated |= {each["name"] for each in kustomization("kubernetes")["configMapGenerator"]}
    wanted = {launcher["instance_config_map"], *launcher["env_config_maps"]}
    for deployment in named("Deployment").values():
        spec = deployment["spec"]["template"]["spec"]
        wanted |= {volume["configMap"]["name"] for volume in spec.get("volumes", ())}
        for container in spec["containers"]:
            wanted |= {
                source["configMapRef"]["name"]
                for source in container["envFrom"]
                if "configMapRef" in source
            }

    assert wanted == generated
    assert launcher["service_account_name"] in named("ServiceAccount")
    assert {each["name"] for each in overlay["replicas"]} <= set(named("Deployment"))


@pytest.mark.parametrize("name", SHARED)
def test_the_environment_of_pods_fits_the_deployment(name: str) -> None:
    found, overlay = variables(name), kustomization(name)
    (image,) = overlay["images"]
    environment = Environment.read(found)

    assert environment.deployment == name
    assert SHAPES[environment.deployment].is_shared
    assert environment.offline.startswith("s3://")
    assert found["HEADRACE_IMAGE"] == f"{image['newName']}:{image['newTag']}"
    assert found["HEADRACE_K8S_NAMESPACE"] == overlay["namespace"]
    assert {image["name"]} == {container["image"] for container in containers()}
    assert not SECRETS & set(found)


@pytest.mark.parametrize("name", SHARED)
def test_settings_and_secrets_are_all_that_dagster_asks_the_environment_for(name: str) -> None:
    asked = set(_asked(settings(name)))

    assert asked <= set(variables(name)) | SECRETS
    assert asked & SECRETS == {"DAGSTER_PG_PASSWORD"}


if (KUBECTL := shutil.which("kubectl")) is not None:

    @pytest.mark.parametrize("name", SHARED)
    def test_kubectl_renders_them_as_kubernetes_takes_them(name: str) -> None:
        """Only where there is a kubectl: what it reads is held against the schemas above."""
        rendered = subprocess.run(
            [str(KUBECTL), "kustomize", str(DEPLOY / name)],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        found = list(yaml.safe_load_all(rendered))

        assert len(found) == len(objects()) + 3
        for each in found:
            kubernetes_validate.validate(each, VERSION, strict=True)
            assert each["metadata"]["namespace"] == f"headrace-{name}"
        (server,) = (
            each
            for each in found
            if (each["kind"], each["metadata"]["name"]) == ("Deployment", "headrace-server")
        )
        assert server["spec"]["replicas"] == kustomization(name)["replicas"][0]["count"]


def _asked(found: object) -> Iterator[str]:
    """The variables that settings name as `{env: …}`."""
    if isinstance(found, dict):
        if set(found) == {"env"}:
            yield found["env"]
        for value in found.values():
            yield from _asked(value)


@pytest.mark.slow
@pytest.mark.parametrize("container", list(containers()), ids=lambda each: each["name"])
def test_every_program_knows_its_options(container: dict[str, Any]) -> None:
    arguments = [*container["args"], "--help"]
    program = Path(sys.executable).with_name(arguments[0])

    done = subprocess.run([str(program), *arguments[1:]], capture_output=True, check=False)

    assert done.returncode == 0, done.stderr
