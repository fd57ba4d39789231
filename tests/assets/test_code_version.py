"""When a code version changes, and when it does not."""

import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl

from headrace.assets.code_version import code_version

LIMITS = (1, 7)


def halved(column: str) -> pl.Expr:
    return pl.col(column) / 2


def uses_a_function_and_a_constant(frame: pl.LazyFrame) -> pl.LazyFrame:
    return frame.select(halved("x")).head(max(LIMITS))


def filtered_by(least: int) -> Callable[[pl.LazyFrame], pl.LazyFrame]:
    def transform(frame: pl.LazyFrame) -> pl.LazyFrame:
        return frame.filter(pl.col("x") >= least)

    return transform


def compiled(text: str, **names: object) -> Callable[..., object]:
    """A function without source text, as in an interactive session."""
    namespace: dict[str, object] = {"__name__": "session", "pl": pl, **names}
    exec(text, namespace)  # noqa: S102  # our own text
    function = namespace["transform"]
    assert callable(function)
    return function


def test_the_same_function_has_the_same_version_in_another_process() -> None:
    text = (
        "from headrace.assets.code_version import code_version;"
        "from headrace.tests.assets.test_code_version import uses_a_function_and_a_constant;"
        "print(code_version(uses_a_function_and_a_constant, ['x: Int64']))"
    )

    other = subprocess.run(
        [sys.executable, "-c", text],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": "7"},
    )

    assert other.stdout.strip() == code_version(uses_a_function_and_a_constant, ["x: Int64"])


def test_what_is_declared_beside_a_function_is_part_of_its_version() -> None:
    assert code_version(halved, ["x: Int64"]) != code_version(halved, ["x: Float64"])


def test_a_constant_that_a_function_names_is_part_of_its_version() -> None:
    text = "def transform(frame):\n    return frame.head(LIMIT)"

    versions = {code_version(compiled(text, LIMIT=limit)) for limit in (1, 2, {"a": [1]})}

    assert len(versions) == 3


def test_a_function_that_a_function_names_is_part_of_its_version() -> None:
    text = "def transform(frame):\n    return step(frame)"
    steps = [
        compiled("def transform(frame):\n    return frame.head(1)"),
        compiled("def transform(frame):\n    return frame.head(2)"),
    ]

    assert code_version(compiled(text, step=steps[0])) != code_version(
        compiled(text, step=steps[1])
    )


def test_a_variable_of_an_enclosing_function_is_part_of_the_version() -> None:
    assert code_version(filtered_by(1)) == code_version(filtered_by(1))
    assert code_version(filtered_by(1)) != code_version(filtered_by(2))


def test_the_order_of_a_set_is_no_part_of_a_version() -> None:
    text = "def transform(frame):\n    return frame.filter(pl.col('x').is_in(NAMES))"

    assert code_version(compiled(text, NAMES={"a", "b", "c"})) == code_version(
        compiled(text, NAMES={"c", "b", "a"})
    )


def test_functions_that_name_each_other_have_a_version() -> None:
    text = (
        "def other(frame):\n    return transform(frame)\n"
        "def transform(frame):\n    return other(frame)"
    )

    assert len(code_version(compiled(text))) == 16


def test_a_decorator_is_no_part_of_a_version(tmp_path: Path) -> None:
    """Owners, tags and TTLs are said there: they recompute nothing."""
    functions = []
    for owner in ("team:a", "team:b"):
        path = tmp_path / f"{owner[-1]}.py"
        path.write_text(
            "def owned_by(owner):\n    return lambda function: function\n\n"
            f"@owned_by({owner!r})\ndef transform(frame):\n    return frame\n"
        )
        functions.append(runpy.run_path(str(path))["transform"])

    assert code_version(functions[0]) == code_version(functions[1])


def test_the_body_of_a_function_is_part_of_its_version(tmp_path: Path) -> None:
    functions = []
    for body in ("frame", "frame.head(1)"):
        path = tmp_path / f"{len(body)}.py"
        path.write_text(f"def transform(frame):\n    return {body}\n")
        functions.append(runpy.run_path(str(path))["transform"])

    assert code_version(functions[0]) != code_version(functions[1])
