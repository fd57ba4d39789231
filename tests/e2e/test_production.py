"""A day in production: a run, its steps in pods, one commit of three shards, rows in a Cluster."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace.resources.online.verification import verify_group
from headrace.tests.e2e.production import DAYS, Production, production
from headrace.tests.e2e.shop_in_shards import customer_orders
from headrace.tests.object_store import ObjectStore

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.timeout(1500)]

ASSETS = ("sources/orders", "offline/customer_orders", "online/customer_orders")
GROUP = "offline__customer_orders"
SHARDS = {f"{GROUP}.shard_{number}" for number in range(3)}


@pytest.fixture
def deployed(
    tmp_path: Path, object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Production]:
    with production(tmp_path, object_store) as made:
        for name, value in made.variables.items():
            monkeypatch.setenv(name, value)
        yield made


def test_three_pods_compute_a_day_and_one_commits_it(deployed: Production) -> None:
    run = deployed.run(*ASSETS)

    assert run.is_success, deployed.logs()
    steps = deployed.steps(run)
    assert {step for step in steps if not step.endswith("_freshness")} == {
        "sources__orders",
        f"{GROUP}.plan",
        *SHARDS,
        f"{GROUP}.commit",
        "online__customer_orders",
    }
    _assert_resources(deployed, run.run_id, pods=1 + len(steps))
    table = deployed.deployment.offline.table(customer_orders.table)
    snapshot = table.snapshot()
    assert {key: each.generation for key, each in snapshot.commits.items()} == dict.fromkeys(
        DAYS, 1
    )
    rows = (
        snapshot.scan(DAYS[1:]).select("customer_id", "orders_2d", "spend_2d").sort("customer_id")
    )
    assert rows.collect().rows() == [(1, 2, 15.0), (2, 1, 4.0)]
    with deployed.deployment.publishing() as publishing:
        proof = verify_group(customer_orders.spec, table, publishing.online, publishing.registry)
    assert (proof.equal, list(proof.differences)) == (2, [])
    _assert_one_trace(deployed, run.run_id)
    assert not any("/staging/" in key for key in _keys(deployed))


def test_a_pod_that_is_killed_commits_nothing_and_the_next_run_does(deployed: Production) -> None:
    deployed.kubernetes.dying = {f"{GROUP}.shard_1"}
    assert not deployed.run(*ASSETS[:2]).is_success

    table = deployed.deployment.offline.table(customer_orders.table)
    assert not table.exists()

    deployed.kubernetes.dying = set()
    run = deployed.run(*ASSETS[1:2])

    assert run.is_success, deployed.logs()
    commits = deployed.deployment.offline.table(customer_orders.table).snapshot().commits
    assert {commit.run_id for commit in commits.values()} == {run.run_id}


def _assert_resources(deployed: Production, run_id: str, *, pods: int) -> None:
    """What a declaration asks for stands in its pods, the instance's default in all others."""
    asked = {"requests": {"cpu": "1500m", "memory": "256Mi"}, "limits": {"memory": "256Mi"}}
    usual = {"requests": {"cpu": "500m", "memory": "2Gi"}, "limits": {"memory": "2Gi"}}
    jobs = [
        job
        for job in deployed.kubernetes.jobs.values()
        if job["metadata"]["labels"]["dagster/run-id"] == run_id
    ]
    assert len(jobs) == pods
    for job in jobs:
        (container,) = job["spec"]["template"]["spec"]["containers"]
        is_ours = job["metadata"]["labels"].get("dagster/op", "").startswith(f"{GROUP}.")
        assert container["resources"] == (asked if is_ours else usual)
        threads = [each for each in container["env"] if each["name"] == "POLARS_MAX_THREADS"]
        assert [each["value"] for each in threads] == (["2"] if is_ours else [])
        assert not any(secret in str(job) for secret in deployed.secrets)


def _assert_one_trace(deployed: Production, run_id: str) -> None:
    """Spans of many processes, which told each other nothing but the run's id."""
    spans = deployed.traces.spans
    assert {span.trace_id for span in spans} == {uuid.UUID(run_id).bytes}
    names = {span.name for span in spans}
    assert {f"step offline/customer_orders.shard_{number}" for number in range(3)} <= names
    assert {"commit", "publish", "step online/customer_orders"} <= names


def _keys(deployed: Production) -> list[str]:
    offline = deployed.variables["HEADRACE_OFFLINE"].removeprefix("s3://")
    port = int(deployed.variables["AWS_ENDPOINT_URL"].rpartition(":")[2])
    return ObjectStore(port, offline.partition("/")[0]).keys()
