"""The deployment `production` on one machine: its own settings, and real stores behind them.

Postgres, an S3 and a Redis Cluster are real servers. Kubernetes is the small one of our own.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import yaml
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
)

from headrace.contract.environment import Environment
from headrace.resources.deployments import Deployment
from headrace.tests.e2e.homes import CLOCK, ORDERS
from headrace.tests.fake_kubernetes.cluster import Cluster as Kubernetes
from headrace.tests.fake_kubernetes.server import served
from headrace.tests.object_store import ObjectStore
from headrace.tests.otlp import Receiver, receiver
from headrace.tests.postgres import postgres
from headrace.tests.valkey_cluster import cluster
from headrace.tests.valkey_processes import Processes, until

DAYS = ("2024-01-01", "2024-01-02")
PACKAGE = "headrace.tests.e2e.shop_in_shards"
_SETTINGS = Path(__file__).parents[2] / "deploy" / "production" / "dagster.yaml"
_PATIENCE_SECONDS = 500.0
_SECRET = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "DAGSTER_PG_PASSWORD", "HEADRACE_REDIS")


@dataclass
class Production:
    """What is running, and the variables by which every pod finds it."""

    variables: Mapping[str, str]
    kubernetes: Kubernetes
    traces: Receiver

    @property
    def deployment(self) -> Deployment:
        """Its stores; credentials are taken from the environment, as in a pod."""
        return Deployment.of(Environment.read(self.variables))

    @property
    def secrets(self) -> set[str]:
        """What may be seen nowhere."""
        return {self.variables[name] for name in _SECRET}

    def run(self, *assets: str) -> dg.DagsterRun:
        """Launch a run of the first two days, as Dagster's web interface does; await its end."""
        tags = [
            {"key": ASSET_PARTITION_RANGE_START_TAG, "value": DAYS[0]},
            {"key": ASSET_PARTITION_RANGE_END_TAG, "value": DAYS[-1]},
        ]
        paths = [{"path": asset.split("/")} for asset in assets]
        parameters = {
            "mode": "default",
            "selector": {
                "repositoryLocationName": "headrace.definitions",
                "repositoryName": "__repository__",
                "pipelineName": "__ASSET_JOB",
                "assetSelection": paths,
            },
            "executionMetadata": {"tags": tags},
        }
        answer = self.kubernetes.folder / "answer.json"
        launched = subprocess.run(
            [
                str(Path(sys.executable).with_name("dagster-graphql")),
                *("-m", "headrace.definitions"),
                *("-p", "launchPipelineExecution"),
                *("-v", json.dumps({"executionParams": parameters})),
                *("-o", str(answer)),
            ],
            env={"PATH": os.environ["PATH"], **self.variables},
            capture_output=True,
            text=True,
            check=False,
        )
        assert launched.returncode == 0, launched.stderr
        said = json.loads(answer.read_text())["data"]["launchPipelineExecution"]
        assert "run" in said, said
        run_id = said["run"]["runId"]
        with self.instance() as instance:
            until(lambda: _ended(instance, run_id), _PATIENCE_SECONDS)
            run = instance.get_run_by_id(run_id)
        assert run is not None
        return run

    @contextmanager
    def instance(self) -> Iterator[dg.DagsterInstance]:
        """Dagster's records."""
        with dg.DagsterInstance.from_config(self.variables["DAGSTER_HOME"]) as instance:
            yield instance

    def steps(self, run: dg.DagsterRun) -> dict[str, dict[str, Any]]:
        """The container of each step's pod, by the step's key."""
        found = {}
        for job in self.kubernetes.jobs.values():
            labels = job["metadata"]["labels"]
            if labels["dagster/run-id"] == run.run_id and "dagster/op" in labels:
                (container,) = job["spec"]["template"]["spec"]["containers"]
                found[labels["dagster/op"]] = container
        return found

    def logs(self) -> str:
        """What all pods wrote, for whom a test fails."""
        return "\n".join(pod.log.read_text()[-3000:] for pod in self.kubernetes.pods.values())


@contextmanager
def production(folder: Path, store: ObjectStore) -> Iterator[Production]:
    """Run it all for as long as the block lasts."""
    (orders := folder / "orders").mkdir()
    (orders / "orders.csv").write_text(ORDERS)
    (folder / "valkeys").mkdir()
    kubernetes = Kubernetes(folder / "pods")
    with ExitStack() as stack:
        records = stack.enter_context(postgres())
        online = cluster(stack.enter_context(Processes(folder / "valkeys")))
        traces = stack.enter_context(receiver())
        kubeconfig = stack.enter_context(served(kubernetes))
        variables = {
            **records,
            **store.variables,
            "DAGSTER_HOME": str(folder / "dagster"),
            "HEADRACE_DEPLOYMENT": "production",
            "HEADRACE_HOME": str(folder / "home"),
            "HEADRACE_PACKAGES": PACKAGE,
            "HEADRACE_CLOCK": CLOCK,
            "HEADRACE_OFFLINE": store.root,
            "HEADRACE_REDIS": online.url,
            "HEADRACE_K8S_NAMESPACE": "features",
            "HEADRACE_IMAGE": "headrace:test",
            "OTEL_EXPORTER_OTLP_ENDPOINT": traces.endpoint,
            "SHOP_ORDERS": str(orders),
        }
        settings = _settings(kubeconfig)
        (folder / "dagster").mkdir()
        (folder / "dagster" / "dagster.yaml").write_text(settings)
        kubernetes.config_maps = {
            "headrace-dagster": {"dagster.yaml": settings},
            "headrace-environment": {
                name: value for name, value in variables.items() if name not in _SECRET
            },
        }
        kubernetes.secrets = {"headrace-secrets": {name: variables[name] for name in _SECRET}}
        yield Production(variables, kubernetes, traces)


def _settings(kubeconfig: Path) -> str:
    """As shipped, but for where Kubernetes is, and that no daemon has to take runs off a queue."""
    settings = yaml.safe_load(_SETTINGS.read_text())
    settings["run_launcher"]["config"] |= {
        "load_incluster_config": False,
        "kubeconfig_file": str(kubeconfig),
    }
    settings["run_coordinator"] = {
        "module": "dagster.core.run_coordinator",
        "class": "DefaultRunCoordinator",
    }
    del settings["concurrency"]["runs"]
    return str(yaml.safe_dump(settings))


def _ended(instance: dg.DagsterInstance, run_id: str) -> bool:
    run = instance.get_run_by_id(run_id)
    return run is not None and run.is_finished
