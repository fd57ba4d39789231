"""The small Kubernetes answers its official client as a real one would."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import kubernetes
import pytest
from kubernetes.client import ApiException, BatchV1Api, CoreV1Api

from headrace.tests.fake_kubernetes.cluster import Cluster
from headrace.tests.fake_kubernetes.server import served
from headrace.tests.valkey_processes import until


def job(*command: str, name: str = "job", **container: object) -> dict[str, Any]:
    """A job of one container."""
    made = {"name": "main", "image": "headrace:1", "command": list(command), **container}
    template = {
        "metadata": {"labels": {"app": "features"}},
        "spec": {"restartPolicy": "Never", "containers": [made]},
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"template": template},
    }


class Client:
    """The official client."""

    def __init__(self, kubeconfig: Path) -> None:
        api = kubernetes.config.new_client_from_config(str(kubeconfig))
        self.batch, self.core = BatchV1Api(api), CoreV1Api(api)

    def ended(self, body: dict[str, Any]) -> Any:  # noqa: ANN401 - the client has no types
        """Run a job to its end; its status."""
        name = body["metadata"]["name"]
        self.batch.create_namespaced_job("default", body)
        until(lambda: not self._status(name).active)
        return self._status(name)

    def pod(self) -> Any:  # noqa: ANN401 - the client has no types
        """The one pod."""
        (pod,) = self.core.list_namespaced_pod("default", label_selector="app=features").items
        return pod

    def log(self) -> str:
        """What it wrote."""
        name = self.pod().metadata.name
        raw = self.core.read_namespaced_pod_log(name, "default", _preload_content=False)
        return str(raw.data.decode())

    def _status(self, name: str) -> Any:  # noqa: ANN401 - the client has no types
        return self.batch.read_namespaced_job_status(name, "default").status


@contextmanager
def client_of(cluster: Cluster) -> Iterator[Client]:
    with served(cluster) as kubeconfig:
        yield Client(kubeconfig)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    with client_of(Cluster(tmp_path)) as made:
        yield made


def test_a_job_runs_its_container_with_the_environment_of_the_pod(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OURS", "not the pod's")
    cluster = Cluster(tmp_path, {"settings": {"PLACE": "here"}}, {"secrets": {"WORD": "sesame"}})
    sources = [{"configMapRef": {"name": "settings"}}, {"secretRef": {"name": "secrets"}}]
    asked = {"name": "AGAIN", "valueFrom": {"secretKeyRef": {"name": "secrets", "key": "WORD"}}}
    with client_of(cluster) as client:
        status = client.ended(
            job("sh", "-c", "echo $PLACE $WORD $AGAIN $OURS", envFrom=sources, env=[asked])
        )

        assert status.succeeded == 1
        assert client.log() == "here sesame sesame\n"
        assert client.pod().status.phase == "Succeeded"


def test_config_maps_are_mounted_as_files(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, {"settings": {"a.yaml": "a: 1\n", "b.yaml": "b: 2\n"}})
    at = str(tmp_path / "etc" / "a.yaml")
    body = job("cat", at, volumeMounts=[{"name": "files", "mountPath": at, "subPath": "a.yaml"}])
    volumes = [{"name": "files", "configMap": {"name": "settings"}}]
    body["spec"]["template"]["spec"]["volumes"] = volumes

    with client_of(cluster) as client:
        client.ended(body)

        assert client.log() == "a: 1\n"


def test_a_process_that_fails_fails_its_job(client: Client) -> None:
    status = client.ended(job("sh", "-c", "exit 3"))

    assert status.failed == 1
    assert client.pod().status.container_statuses[0].state.terminated.exit_code == 3


def test_a_secret_that_is_not_there_starts_nothing(client: Client) -> None:
    status = client.ended(job("true", envFrom=[{"secretRef": {"name": "nowhere"}}]))

    assert status.failed == 1
    assert "nowhere" in client.pod().status.container_statuses[0].state.terminated.reason


@pytest.mark.parametrize(
    "container",
    [
        {"resourcez": {}},
        {"resources": {"requests": {"cpu": []}}},
        {"resources": {"requests": {"memory": "2Gi"}, "limits": {"memory": "1Gi"}}},
        {"env": [{"value": "of nothing"}]},
    ],
)
def test_what_is_no_job_is_refused(client: Client, container: dict[str, Any]) -> None:
    with pytest.raises(ApiException) as refused:
        client.batch.create_namespaced_job("default", job("true", **container))

    assert refused.value.status == 422
    assert client.batch.list_namespaced_job("default").items == []


def test_a_name_is_taken_once(client: Client) -> None:
    client.ended(job("true"))

    with pytest.raises(ApiException) as refused:
        client.batch.create_namespaced_job("default", job("true"))

    assert refused.value.status == 409


def test_a_deleted_job_ends_its_process(client: Client) -> None:
    client.batch.create_namespaced_job("default", job("sleep", "600"))
    until(lambda: client.pod().status.phase == "Running")

    client.batch.delete_namespaced_job("job", "default")

    until(lambda: client.pod().status.phase == "Failed")
    with pytest.raises(ApiException) as gone:
        client.batch.read_namespaced_job_status("job", "default")
    assert gone.value.status == 404
