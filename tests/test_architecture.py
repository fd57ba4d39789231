"""What no linter can prove: what a running process loads, and that it runs without the rest.

Which folder may import which is told in pyproject.toml and checked by `make imports`.
"""

import ast
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PIPELINE = {"dagster", "dagster_deltalake", "deltalake", "pandas", "pandera", "polars"}


def _printed(python: str | Path, *arguments: str, cwd: Path = ROOT) -> str:
    """What a program prints; its errors are the test's message when it fails."""
    result = subprocess.run(
        [python, *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def _loaded_by(module: str) -> set[str]:
    """Top-level packages in a fresh process that has imported one module."""
    program = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    return set(_printed(sys.executable, "-c", program).split())


def _importable(python: Path, names: set[str], *, cwd: Path) -> set[str]:
    program = f"from importlib.util import find_spec; print(*filter(find_spec, {sorted(names)}))"
    return set(_printed(python, "-c", program, cwd=cwd).split())


@pytest.mark.parametrize(
    "module", ["headrace.serving.__main__", "headrace.serving.client", "headrace.cli"]
)
def test_what_serves_and_asks_never_loads_the_pipeline(module: str) -> None:
    assert _loaded_by(module) & PIPELINE == set()


def test_the_contract_imports_the_standard_library_protobuf_and_numpy_only() -> None:
    allowed = sys.stdlib_module_names | {"google.protobuf", "numpy"}

    files = [path for path in (ROOT / "contract").rglob("*.py") if not path.stem.endswith("_pb2")]
    foreign = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in files
        for name in _absolute_imports(path)
        if not any(name == known or name.startswith(f"{known}.") for known in allowed)
    }

    assert files
    assert foreign == set()


def _absolute_imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module or ""


def test_the_server_runs_where_only_its_own_dependencies_are_installed(
    install: Callable[[str], Path], tmp_path: Path
) -> None:
    python = install("serving")

    assert _importable(python, {*PIPELINE, "grpc", "redis"}, cwd=tmp_path) == {"grpc", "redis"}
    _printed(python, "-m", "headrace.serving", "--help", cwd=tmp_path)
    _printed(python.with_name("headrace"), "serve", "--help", cwd=tmp_path)


def test_a_model_needs_the_client_extra_alone(
    install: Callable[[str], Path], tmp_path: Path
) -> None:
    python = install("client")

    assert _importable(python, {*PIPELINE, "grpc", "redis"}, cwd=tmp_path) == {"grpc"}
    _printed(python, "-c", "import headrace.serving.client", cwd=tmp_path)
    _printed(python.with_name("headrace"), "lookup", "--help", cwd=tmp_path)
