"""What a small Kubernetes knows and decides: jobs, their pods, config maps and secrets.

It takes what a real API server would take, by the published schemas, and refuses the rest with the
same statuses. Its one node runs containers as local processes (`kubelet`).
"""

import re
import threading
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

import kubernetes_validate

from headrace.tests.fake_kubernetes.kubelet import Kubelet, Pod

Object: TypeAlias = dict[str, Any]
VERSION = "1.34"

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_LONGEST_NAME = 63


class RefusedError(Exception):
    """A request that an API server would refuse, as the status that it would answer."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        """Say what Kubernetes says."""
        self.status: Object = {
            "kind": "Status",
            "apiVersion": "v1",
            "status": "Failure",
            "reason": reason,
            "message": message,
            "code": code,
        }
        super().__init__(message)


@dataclass
class Cluster:
    """One namespace is as good as another: objects are known by namespace and name.

    Attributes:
        folder: Where pods find files, and their logs are kept.
        config_maps: By name, as is `secrets`; both are there in every namespace.
        dying: Of these Dagster steps the pod is killed as soon as it starts, for lack of memory.
    """

    folder: Path
    config_maps: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    secrets: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    dying: set[str] = field(default_factory=set)
    jobs: dict[tuple[str, str], Object] = field(default_factory=dict)
    pods: dict[tuple[str, str], Pod] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def create_job(self, namespace: str, job: Object) -> Object:
        """Take a job, and start its pod.

        Raises:
            RefusedError: It is no job, or there is one of its name.
        """
        _check(job)
        name = job["metadata"]["name"]
        with self.lock:
            if (namespace, name) in self.jobs:
                raise RefusedError(409, "AlreadyExists", f'jobs.batch "{name}" already exists')
            job["metadata"] |= {
                "namespace": namespace,
                "uid": str(uuid.uuid4()),
                "creationTimestamp": now(),
            }
            job["status"] = {"active": 1, "startTime": now()}
            self.jobs[namespace, name] = job
            pod = Pod.of(job, self.folder)
            self.pods[namespace, pod.name] = pod
        kubelet = Kubelet(self.config_maps, self.secrets, self.lock)
        is_dying = job["metadata"].get("labels", {}).get("dagster/op") in self.dying
        threading.Thread(
            target=lambda: self._settle(job, kubelet.run(pod, is_dying=is_dying)), daemon=True
        ).start()
        return job

    def delete_job(self, namespace: str, name: str) -> Object:
        """Forget a job, and stop its pods.

        Raises:
            RefusedError: There is none.
        """
        with self.lock:
            if self.jobs.pop((namespace, name), None) is None:
                raise RefusedError(404, "NotFound", f'jobs.batch "{name}" not found')
            for pod in self.pods.values():
                if pod.labels.get("job-name") == name:
                    pod.stop()
        return {"kind": "Status", "apiVersion": "v1", "status": "Success"}

    def stop(self) -> None:
        """Stop every pod that still runs."""
        with self.lock:
            for pod in self.pods.values():
                pod.stop()

    def listed(self, kind: str, namespace: str, labels: Mapping[str, str]) -> list[Object]:
        """The objects of a kind that have these labels."""
        with self.lock:
            return [
                found
                for (at, _), found in self._objects(kind)
                if at == namespace and labels.items() <= found["metadata"].get("labels", {}).items()
            ]

    def found(self, kind: str, namespace: str, name: str) -> Object:
        """One object.

        Raises:
            RefusedError: There is none of this name.
        """
        with self.lock:
            for where, found in self._objects(kind):
                if where == (namespace, name):
                    return found
        raise RefusedError(404, "NotFound", f'{kind} "{name}" not found')

    def log(self, namespace: str, name: str) -> str:
        """What a pod has written so far.

        Raises:
            RefusedError: There is none of this name.
        """
        self.found("pods", namespace, name)
        return self.pods[namespace, name].log.read_text()

    def _objects(self, kind: str) -> Iterator[tuple[tuple[str, str], Object]]:
        if kind == "jobs":
            yield from self.jobs.items()
        elif kind == "pods":
            yield from ((where, pod.manifest) for where, pod in self.pods.items())

    def _settle(self, job: Object, exit_code: int) -> None:
        with self.lock:
            status = job["status"]
            status.pop("active", None)
            if exit_code == 0:
                status |= {"succeeded": 1, "completionTime": now()}
            else:
                status["failed"] = 1
            kind = "Complete" if exit_code == 0 else "Failed"
            status["conditions"] = [{"type": kind, "status": "True"}]


def now() -> str:
    """The present, as Kubernetes writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _check(job: Object) -> None:
    """Refuse what is no job by the published schema, or whose limits are below its requests."""
    try:
        kubernetes_validate.validate(job, VERSION, strict=True)
    except kubernetes_validate.ValidationError as error:
        raise RefusedError(422, "Invalid", f"Job is invalid: {error.message}") from error
    name = job["metadata"]["name"]
    if len(name) > _LONGEST_NAME or not _NAME.fullmatch(name):
        raise RefusedError(422, "Invalid", f'metadata.name: Invalid value: "{name}"')
    for container in job["spec"]["template"]["spec"]["containers"]:
        resources = container.get("resources") or {}
        limits = resources.get("limits") or {}
        for resource, asked in (resources.get("requests") or {}).items():
            if _amount(asked) > _amount(limits.get(resource, asked)):
                raise RefusedError(
                    422, "Invalid", f"requests: must be less than or equal to {resource} limit"
                )


def _amount(quantity: str) -> float:
    """A quantity of Kubernetes as a number; the schema has seen that it is one."""
    units = {"m": 1e-3, "k": 1e3, "Ki": 2**10, "M": 1e6, "Mi": 2**20, "G": 1e9, "Gi": 2**30}
    number = re.match(r"[0-9.]+", str(quantity))
    if number is None:
        raise RefusedError(
            422, "Invalid", f'quantities must match the regular expression: "{quantity}"'
        )
    return float(number[0]) * units.get(str(quantity)[number.end() :], 1)
