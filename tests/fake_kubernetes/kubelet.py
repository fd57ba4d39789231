"""The one node: a pod's container as a local process, with the pod's environment and no other."""

import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeAlias

Texts: TypeAlias = Mapping[str, Mapping[str, str]]

_OUT_OF_MEMORY = 137
_NOT_STARTED = 128


@dataclass
class Pod:
    """A pod of one container.

    Attributes:
        manifest: As the API shows it.
        log: What its process writes.
    """

    manifest: dict[str, Any]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    is_stopped: bool = field(default=False)

    @classmethod
    def of(cls, job: Mapping[str, Any], folder: Path) -> Self:
        """The pod of a job, which is still to be started."""
        job_name, template = job["metadata"]["name"], job["spec"]["template"]
        name = f"{job_name}-{uuid.uuid4().hex[:5]}"
        labels = template["metadata"].get("labels", {}) | {"job-name": job_name}
        folder.mkdir(parents=True, exist_ok=True)
        (log := folder / f"{name}.log").touch()
        return cls(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {
                    "name": name,
                    "namespace": job["metadata"]["namespace"],
                    "labels": labels,
                },
                "spec": template["spec"],
                "status": {"phase": "Pending"},
            },
            log,
        )

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.manifest["metadata"]["name"])

    @property
    def labels(self) -> Mapping[str, str]:
        """Its labels."""
        labels: Mapping[str, str] = self.manifest["metadata"]["labels"]
        return labels

    def stop(self) -> None:
        """Kill its process with all that it started."""
        self.is_stopped = True
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)


@dataclass(frozen=True)
class Kubelet:
    """Runs pods with the config maps and secrets that they name."""

    config_maps: Texts
    secrets: Texts
    lock: threading.RLock

    def run(self, pod: Pod, *, is_dying: bool = False) -> int:
        """Run a pod to its end; the exit status of its process."""
        container = pod.manifest["spec"]["containers"][0]
        try:
            environment = self._environment(container)
            self._mount(pod.manifest["spec"], container)
        except LookupError as error:
            return self._end(pod, _NOT_STARTED, f"CreateContainerConfigError: {error}")
        if is_dying:
            return self._end(pod, _OUT_OF_MEMORY, "OOMKilled")
        with self.lock:
            if pod.is_stopped:
                return self._end(pod, _OUT_OF_MEMORY, "Killed")
            with pod.log.open("ab") as log:
                pod.process = subprocess.Popen(
                    [*(container.get("command") or []), *(container.get("args") or [])],
                    env=environment,
                    cwd=pod.log.parent,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            pod.manifest["status"] = {"phase": "Running", "containerStatuses": [_state(container)]}
        code = pod.process.wait()
        return self._end(pod, code, "Completed" if code == 0 else "Error")

    def _end(self, pod: Pod, code: int, reason: str) -> int:
        container = pod.manifest["spec"]["containers"][0]
        ended = {"terminated": {"exitCode": code, "reason": reason}}
        with self.lock:
            pod.manifest["status"] = {
                "phase": "Succeeded" if code == 0 else "Failed",
                "containerStatuses": [{**_state(container), "state": ended}],
            }
        return code

    def _environment(self, container: Mapping[str, Any]) -> dict[str, str]:
        """What the process finds: of the image its PATH, of the pod what its manifest says."""
        found = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "LANG": "C.UTF-8"}
        for source in container.get("envFrom") or ():
            for kind, objects in (("configMapRef", self.config_maps), ("secretRef", self.secrets)):
                if kind in source:
                    found |= objects[source[kind]["name"]]
        for each in container.get("env") or ():
            found[each["name"]] = self._value(each)
        return found

    def _value(self, each: Mapping[str, Any]) -> str:
        if "valueFrom" not in each:
            return str(each.get("value", ""))
        source = each["valueFrom"]
        if "secretKeyRef" in source:
            return self.secrets[source["secretKeyRef"]["name"]][source["secretKeyRef"]["key"]]
        return self.config_maps[source["configMapKeyRef"]["name"]][source["configMapKeyRef"]["key"]]

    def _mount(self, spec: Mapping[str, Any], container: Mapping[str, Any]) -> None:
        """Write the config maps that are mounted where the process looks for them."""
        maps = {
            volume["name"]: self.config_maps[volume["configMap"]["name"]]
            for volume in spec.get("volumes") or ()
            if "configMap" in volume
        }
        for mount in container.get("volumeMounts") or ():
            files, at = maps.get(mount["name"], {}), Path(mount["mountPath"])
            if "subPath" in mount:
                files, at = {at.name: files[mount["subPath"]]}, at.parent
            at.mkdir(parents=True, exist_ok=True)
            for name, text in files.items():
                (at / name).write_text(text)


def _state(container: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": container["name"],
        "image": container["image"],
        "imageID": container["image"],
        "ready": True,
        "restartCount": 0,
        "state": {"running": {}},
    }
