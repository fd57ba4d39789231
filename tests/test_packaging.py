"""What is shipped: every folder, nothing generic, and exactly the versions that were tested."""

import re
import subprocess
import sys
import tomllib
import zipfile
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
NOT_SHIPPED = {
    "__pycache__",
    "benchmarks",
    "build",
    "deploy",
    "dist",
    "docs",
    "node_modules",
    "tests",
}


@pytest.fixture(scope="module")
def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def lock() -> str:
    return (ROOT / "requirements.lock").read_text()


def _python_folders() -> set[Path]:
    """Folders with Python in them, relative to the root, of all that is meant to be shipped."""
    files = (path.relative_to(ROOT) for top in _shipped_tops() for path in top.rglob("*.py"))
    return {file.parent for file in files}


def _shipped_tops() -> list[Path]:
    tops = (top for top in ROOT.iterdir() if top.is_dir() and not top.name.startswith("."))
    return [top for top in tops if top.name not in NOT_SHIPPED and top.suffix != ".egg-info"]


def test_every_folder_with_python_is_a_listed_package(pyproject: dict[str, Any]) -> None:
    folders = _python_folders()

    assert sorted(pyproject["tool"]["setuptools"]["packages"]) == sorted(
        ["headrace", *(".".join(("headrace", *folder.parts)) for folder in folders)]
    )
    assert [folder for folder in folders if not (ROOT / folder / "__init__.py").is_file()] == []


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    python = {f"headrace/{path.name}" for path in ROOT.glob("*.py")} | {
        f"headrace/{path.relative_to(ROOT)}"
        for folder in _python_folders()
        for path in (ROOT / folder).glob("*.py")
    }
    protocol = {
        f"headrace/{path.relative_to(ROOT)}"
        for path in ROOT.glob("contract/proto/headrace/v1/*.p*")
    }

    names = set(zipfile.ZipFile(wheel).namelist())

    described = {name for name in names if ".dist-info/" in name}
    assert any(name.endswith("/licenses/LICENSE") for name in described)
    assert "headrace/contract/proto/headrace/v1/feature_service.proto" in names
    assert names - described == {
        "headrace/deploy/local/dagster.yaml",
        "headrace/py.typed",
        "headrace/resources/online/functions.lua",
        "headrace/workspace.yaml",
        *python,
        *protocol,
    }


def test_only_python_that_is_the_package_lies_in_the_root() -> None:
    """Every `.py` of the root is shipped."""
    assert {path.name for path in ROOT.glob("*.py")} == {"__init__.py", "definitions.py"}


def test_no_generic_name_can_be_imported(tmp_path: Path) -> None:
    """The folders are `headrace.assets` and so on; nobody's own `assets` is ever shadowed."""
    names = ["definitions", "tests", *(top.name for top in _shipped_tops())]
    question = f"import importlib.util as u; print([n for n in {names} if u.find_spec(n)])"

    answer = subprocess.run(
        [sys.executable, "-c", question], cwd=tmp_path, capture_output=True, text=True, check=True
    )

    assert answer.stdout.strip() == "[]"


def test_the_lock_holds_every_dependency_within_its_bounds(
    pyproject: dict[str, Any], lock: str
) -> None:
    project = pyproject["project"]
    wanted = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    pins = re.findall(r"^([a-z0-9-]+)==(\S+)", lock, flags=re.MULTILINE)

    def is_held(requirement: Requirement) -> bool:
        versions = [version for name, version in pins if name == requirement.name.lower()]
        return bool(versions) and all(
            requirement.specifier.contains(version) for version in versions
        )

    assert [text for text in wanted if not is_held(Requirement(text))] == []


def test_the_lock_holds_a_hash_for_every_pin_and_no_address(lock: str) -> None:
    blocks = re.split(r"\n(?=\S)", lock.strip())

    assert [block.split()[0] for block in blocks if "--hash=sha256:" not in block] == []
    assert re.findall(r".*(?:://|--index|--extra-index|find-links).*", lock) == []
