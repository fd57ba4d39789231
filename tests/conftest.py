"""What every test may use: a clean environment, the wheel, and places to install it."""

import os
import subprocess
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from shutil import copytree, ignore_patterns

import hypothesis
import pytest

ROOT = Path(__file__).parents[1]
IN_CI = os.environ.get("HEADRACE_CI") == "1"
pytest_plugins = ["headrace.tests.object_store", "headrace.tests.valkey"]


def pytest_configure() -> None:
    """Keep the results independent of the caller's settings and of the machine's speed."""
    for name in os.environ.keys() - {"HEADRACE_SOAK_SECONDS"}:
        if name.startswith("HEADRACE_") or name == "DAGSTER_HOME":
            del os.environ[name]
    hypothesis.settings.register_profile("headrace", deadline=None)
    hypothesis.settings.load_profile("headrace")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In the gate nothing is skipped: what a test needs is installed there, or the gate fails."""
    report = yield
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which HEADRACE_CI=1 forbids: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a file that skips itself as a whole."""
    report = yield
    if IN_CI and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"skipped, which HEADRACE_CI=1 forbids: {report.longrepr}"
    return report


def _uv(*arguments: str | Path) -> None:
    """Run uv on its cache, which `make setup` has filled; on the network where that fails."""
    command = [sys.executable, "-m", "uv", *map(str, arguments), "--quiet"]
    if subprocess.run(
        [*command, "--offline"], cwd=ROOT, capture_output=True, check=False
    ).returncode:
        subprocess.run(command, cwd=ROOT, check=True)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel; built from a copy, as setuptools leaves `build/` in the tree and reuses it."""
    source, output = (
        tmp_path_factory.mktemp("source") / "headrace",
        tmp_path_factory.mktemp("wheel"),
    )
    ignored = ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist", "node_modules")
    copytree(ROOT, source, ignore=ignored)

    _uv(
        "build",
        source,
        "--wheel",
        "--no-build-isolation",
        "--python",
        sys.executable,
        "--out-dir",
        output,
    )

    (built,) = output.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def install(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Install the wheel with one extra, as locked and nothing more, into a fresh environment.

    The function takes the extra's name and returns the environment's Python.
    """

    def install_extra(extra: str) -> Path:
        environment = tmp_path_factory.mktemp(extra)
        python, wanted = environment / "bin" / "python", environment / "wanted.txt"
        _uv("venv", environment, "--allow-existing", "--python", sys.executable)
        _uv(
            *(
                "pip",
                "compile",
                "pyproject.toml",
                "--extra",
                extra,
                "--constraints",
                "requirements.lock",
            ),
            *("--generate-hashes", "--python", python, "--output-file", wanted),
        )
        _uv("pip", "install", "--python", python, "--require-hashes", "--requirements", wanted)
        _uv("pip", "install", "--python", python, "--no-deps", wheel)
        return python

    return install_extra
