"""The lines of an author's code in the traceback of an error: what is worth to be shown of it."""

import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType, TracebackType

from ..contract.errors import DefinitionError, FunctionFailedError, HeadraceError

_PLATFORM = __name__.partition(".")[0]


def function_failed(error: Exception, function: Callable[..., object]) -> HeadraceError:
    """What to say of an error that came of calling an author's function; ours say it themselves.

    A plan that fails when it is computed has left its author's lines: the function is named then.
    """
    if isinstance(error, HeadraceError):
        return error
    top, dot, _ = function.__module__.partition(".")
    package = function.__module__.rpartition(".")[0] if dot and top == _PLATFORM else top
    frames = [
        f"{Path(frame.f_code.co_filename).name}, line {line}, in {frame.f_code.co_name}"
        for frame, line in _walked(error.__traceback__)
        if _is_in(package, frame)
    ]
    code = function.__code__ if hasattr(function, "__code__") else None
    where = Path(code.co_filename).name if code else function.__module__
    return FunctionFailedError(
        error=error, frames=frames or [f"computing what {function.__name__} in {where} returned"]
    )


def import_failed(error: Exception, module: str) -> HeadraceError:
    """What to say of an error that came of importing an author's module; ours say it themselves."""
    if isinstance(error, HeadraceError):
        return error
    line = error.lineno if isinstance(error, SyntaxError) else None
    for frame, number in _walked(error.__traceback__):
        if frame.f_globals.get("__name__") == module:
            line = number
    return DefinitionError(
        subject=f"module {module!r}",
        field="import" if line is None else f"line {line}",
        problem=f"it cannot be imported: {type(error).__name__}: {error}",
        remedy="Correct it there, or in what that line calls",
    )


def _walked(trace: TracebackType | None) -> Iterator[tuple[FrameType, int]]:
    return traceback.walk_tb(trace)


def _is_in(package: str, frame: FrameType) -> bool:
    module = str(frame.f_globals.get("__name__", ""))
    return module == package or module.startswith(f"{package}.")
