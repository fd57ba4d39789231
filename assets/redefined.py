"""Declarations that a later one of the same Python name replaced in its file: nobody finds them."""

import ast
import inspect
from collections import Counter
from collections.abc import Iterable
from types import ModuleType

from ..contract.errors import DefinitionError


def check_redefined(module: ModuleType, functions: Iterable[str]) -> None:
    """Refuse a file that decorates several functions of one name, and keeps only the last.

    Args:
        module: An imported module.
        functions: The name of the function of each declaration that the module names and wrote.

    Raises:
        DefinitionError: A declaration of the file is lost.
    """
    found = Counter(functions)
    for name, lines in _decorated(module).items():
        if 0 < found[name] < len(lines):
            numbers = " and ".join(map(str, lines))
            raise DefinitionError(
                subject=f"{module.__name__}.{name}",
                field="function",
                problem=f"lines {numbers} define it, and each replaces the one before",
                remedy="Put each version of a group into a file of its own, or give one of two"
                " different declarations another name",
            )


def _decorated(module: ModuleType) -> dict[str, list[int]]:
    """The lines of the decorated functions of a file, by name; none where there is no source."""
    try:
        tree = ast.parse(inspect.getsource(module))
    except (OSError, TypeError, SyntaxError):
        return {}
    lines: dict[str, list[int]] = {}
    for each in tree.body:
        if isinstance(each, ast.FunctionDef) and each.decorator_list:
            lines.setdefault(each.name, []).append(each.lineno)
    return lines
