"""Load on a server, and what it costs: h2load at saturation, a client in C++ at even rates."""

import os
import re
import shutil
import struct
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from json import loads
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent
_BUILT = _HERE.parent / ".venv" / "benchmarks"
_ENOUGH, _LONGER_SECONDS = 20, 3.0  # a slow server gets more time to end its calls in
_PACKAGES = "apt-get install --no-install-recommends g++ pkg-config libgrpc++-dev nghttp2-client"


@dataclass(frozen=True, slots=True)
class Target:
    """Whom to ask, and what.

    Attributes:
        method: The path of the RPC, or of the HTTP resource.
        requests: The folder with a request and the right reply for each case, by its number.
        processes: Whose CPU time the calls cost.
        ignored: How many bytes at the end of a reply may differ from the kept one.
        sizes: The sizes of right replies where they are not kept: over plain HTTP.
    """

    name: str
    address: str
    method: str
    requests: Path
    processes: Sequence[int]
    ignored: int = 0
    sizes: Sequence[int] = ()
    is_tls: bool = False


def built(name: str) -> Path | None:
    """A program of ours in C++, compiled once; `None` where its libraries are not installed."""
    source = _HERE / f"{name}.cc"
    program = _BUILT / f"{name}-{sha256(source.read_bytes()).hexdigest()[:12]}"
    if program.exists():
        return program
    if shutil.which("g++") is None or shutil.which("pkg-config") is None:
        return None
    asked = ["pkg-config", "--cflags", "--libs", "grpc++"]
    flags = subprocess.run(asked, capture_output=True, text=True, check=False)
    if flags.returncode:
        return None
    _BUILT.mkdir(exist_ok=True)
    compiler = ["g++", "-O2", "-std=c++17", str(source), "-o", str(program)]
    subprocess.run([*compiler, *flags.stdout.split()], check=True)
    return program


def require_tools() -> None:
    """Say what is missing before minutes are spent.

    Raises:
        SystemExit: Something is.
    """
    if shutil.which("h2load") is None or built("_serving_load") is None:
        message = f"load needs h2load and libgrpc++: {_PACKAGES}"
        raise SystemExit(message)


def saturation(
    target: Target, case: int, seconds: float, *, store: int, clients: int = 4, calls: int = 16
) -> dict[str, float]:
    """As many calls as a server answers, from connections that each keep some in flight.

    Every reply's size is checked: a failed call has no body.

    Raises:
        RuntimeError: Replies were wrong.
    """
    command = ["h2load", "-c", str(clients), "-t", "1"]
    with _Body(target, case) as body:
        if target.sizes:
            command += ["-m", "1", "--h1", "-H", "content-type: application/json"]
        else:
            command += ["-m", str(calls), "-H", "content-type: application/grpc", "-H"]
            command += ["te: trailers"]
        scheme = "https" if target.is_tls else "http"
        command += ["-d", str(body), f"{scheme}://{target.address}{target.method}"]
        for lasting in (seconds, _LONGER_SECONDS):
            used, stored = cpu_seconds(target.processes), cpu_seconds([store])
            timed = [*command, "-D", f"{lasting * 1000:.0f}ms"]
            said = subprocess.run(timed, check=True, stdout=subprocess.PIPE, text=True).stdout
            used = cpu_seconds(target.processes) - used
            stored = cpu_seconds([store]) - stored
            done, failed, received = _counted(said)
            if done >= _ENOUGH:
                break
    expected = target.sizes[case] if target.sizes else _size(target, case) + 5
    # Calls in flight at the end have sent part of their answers, and are not counted as done.
    surplus = received - done * expected
    if failed or not done or not 0 <= surplus <= clients * calls * expected:
        message = f"{target.name}: {failed} of {done} calls failed, {received} bytes\n{said}"
        raise RuntimeError(message)
    return {
        "calls_per_second": done / lasting,
        "server_us": used / done * 1e6,
        "store_us": stored / done * 1e6,
    }


def even_rate(target: Target, case: int, seconds: float, rate: float) -> dict[str, float]:
    """Calls that begin evenly spaced; every reply is compared with the right one."""
    return load(target, case, seconds, rate=rate)


def load(
    target: Target,
    case: int,
    seconds: float,
    *,
    rate: float = 0,
    channels: int = 4,
    calls: int = 16,
    warm: float = 0.3,
) -> dict[str, float]:
    """What the client in C++ saw: at an even rate, or at saturation.

    A server that is asked for more than it can answer refuses calls: those are counted.

    Raises:
        RuntimeError: Replies were wrong, or there was none.
    """
    program = built("_serving_load")
    request, reply = (target.requests / f"{case}.{kind}" for kind in ("request", "reply"))
    numbers = (target.ignored, channels, calls, warm, seconds, rate)
    command = [str(program), target.address, target.method, str(request), str(reply)]
    used = cpu_seconds(target.processes)
    done = subprocess.run(
        [*command, *map(str, numbers)], check=True, capture_output=True, text=True
    )
    used = cpu_seconds(target.processes) - used
    found: dict[str, Any] = loads(done.stdout)
    if found["wrong"] or not found["calls"]:
        message = f"{target.name}: {found} {done.stderr}"
        raise RuntimeError(message)
    share = (warm + seconds) / seconds  # the CPU time of warming up is in it
    return {
        **found,
        "calls_per_second": found["calls"] / seconds,
        "server_us": used / (found["calls"] * share) * 1e6,
    }


def cpu_seconds(processes: Iterable[int]) -> float:
    """CPU time of all threads of processes and of their children so far."""
    return sum(_thread_seconds(each) for process in processes for each in _family(process))


def _family(process: int) -> list[int]:
    found = [process]
    for children in Path(f"/proc/{process}/task").glob("*/children"):
        for child in children.read_text().split():
            found += _family(int(child))
    return found


def _thread_seconds(process: int) -> float:
    seconds = 0.0
    for thread in Path(f"/proc/{process}/task").glob("*/schedstat"):
        try:
            seconds += int(thread.read_text().split()[0]) / 1e9
        except OSError:  # it has just ended
            continue
    return seconds


def _counted(said: str) -> tuple[int, int, int]:
    """Calls done, those that failed, and bytes of bodies."""
    calls = re.search(r"(\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored", said)
    data = re.search(r"\((\d+)\) data", said)
    if calls is None or data is None:
        return 0, 0, 0
    done, succeeded, *_ = map(int, calls.groups())
    return done, done - succeeded, int(data.group(1))


def _size(target: Target, case: int) -> int:
    return (target.requests / f"{case}.reply").stat().st_size


class _Body:
    """The file that h2load sends: a request, framed as gRPC does."""

    def __init__(self, target: Target, case: int) -> None:
        self._is_plain = bool(target.sizes)
        kind = "json" if self._is_plain else "request"
        self._request = target.requests / f"{case}.{kind}"
        self._framed = target.requests / f"{case}.framed.{os.getpid()}"

    def __enter__(self) -> Path:
        if self._is_plain:
            return self._request
        request = self._request.read_bytes()
        self._framed.write_bytes(b"\0" + struct.pack(">I", len(request)) + request)
        return self._framed

    def __exit__(self, *_: object) -> None:
        self._framed.unlink(missing_ok=True)
