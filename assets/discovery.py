"""Finding declarations: in the folders of `headrace.assets` that declare, in teams' packages."""

import pkgutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any, TypeAlias

from ..contract.errors import DefinitionError, UnknownNameError
from ..contract.references import parse_reference
from . import feature_groups, services, sources, training_sets
from .author_frames import import_failed
from .declarations import AnyInput, Dimension, FeatureGroup, Input, Source
from .model_inputs import FeatureService, TrainingSet
from .redefined import check_redefined

Declaration: TypeAlias = Source | Dimension | FeatureGroup | FeatureService | TrainingSet

_OURS = (sources, feature_groups, services, training_sets)
_KINDS = {
    Source: "source",
    Dimension: "dimension",
    FeatureGroup: "feature group",
    FeatureService: "feature service",
    TrainingSet: "training set",
}


@dataclass(frozen=True, slots=True)
class Declarations:
    """All that is declared.

    Attributes:
        groups: By (name, version), each after the groups that it is computed from.
    """

    sources: dict[str, Source]
    dimensions: dict[str, Dimension]
    groups: dict[tuple[str, int], FeatureGroup]
    services: dict[str, FeatureService]
    training_sets: dict[str, TrainingSet]

    @property
    def tables(self) -> tuple[Source | Dimension | FeatureGroup | TrainingSet, ...]:
        """All that has a table of its own in the offline store."""
        return (
            *self.groups.values(),
            *self.sources.values(),
            *self.dimensions.values(),
            *self.training_sets.values(),
        )

    @property
    def gated(self) -> tuple[Source | Dimension | FeatureGroup, ...]:
        """All whose rows are judged by a schema, and may be quarantined."""
        return (*self.groups.values(), *self.sources.values(), *self.dimensions.values())

    def group(self, reference: str) -> FeatureGroup:
        """The group that `name` (its newest declared version) or `name@version` means.

        Raises:
            UnknownNameError: No such group, or no such version of it, is declared.
        """
        parsed = parse_reference(reference)
        versions = sorted(version for name, version in self.groups if name == parsed.group)
        wanted = parsed.version or (versions[-1] if versions else 0)
        if wanted not in versions:
            known = [f"{name}@{version}" for name, version in self.groups]
            known = known if versions else [name for name, _ in self.groups]
            raise UnknownNameError(kind="feature group", name=reference, known=known)
        return self.groups[parsed.group, wanted]


def discover(packages: Sequence[str] = ()) -> Declarations:
    """Import all modules that may declare something, and collect what they name.

    A declaration is found where a walked module names it, and where another declaration uses it.

    Args:
        packages: Further packages or modules, walked to any depth.

    Raises:
        DefinitionError: Two declarations of a kind share a name (groups: name and version), or two
            of a file a Python name, a package cannot be imported, or a declaration in one of the
            modules is wrong.
    """
    walked = [*_OURS, *(_imported(name) for name in packages)]
    found: dict[int, tuple[Declaration, str]] = {}
    for module in (each for package in walked for each in _modules(package)):
        named = {
            id(value): value for value in vars(module).values() if isinstance(value, Declaration)
        }
        check_redefined(module, _written_in(module, named.values()))
        for value in named.values():
            for declaration in _with_upstream(value):
                found.setdefault(id(declaration), (declaration, module.__name__))
    return _collected(found.values())


def _imported(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise import_failed(error, name) from error
        raise DefinitionError(
            subject=f"package {name!r}",
            field="HEADRACE_PACKAGES",
            problem="it cannot be imported",
            remedy="Install it into this environment, or correct the name",
        ) from error
    except Exception as error:
        raise import_failed(error, name) from error


def _loaded(name: str) -> ModuleType:
    try:
        return import_module(name)
    except Exception as error:
        raise import_failed(error, name) from error


def _modules(package: ModuleType) -> Iterator[ModuleType]:
    yield package
    for found in pkgutil.iter_modules(getattr(package, "__path__", ()), f"{package.__name__}."):
        # Importing a `__main__` runs a program, and tests declare things of their own.
        if found.name.rpartition(".")[2] not in {"__main__", "conftest", "tests"}:
            yield from _modules(_loaded(found.name))


def _written_in(module: ModuleType, named: Iterable[Declaration]) -> Iterator[str]:
    """The names of the functions that a module declared itself."""
    for each in named:
        function = _function(each)
        if function is not None and function.__module__ == module.__name__:
            yield function.__name__


def _function(declaration: Declaration) -> Callable[..., Any] | None:
    return getattr(declaration, "function", getattr(declaration, "reader", None))


def _with_upstream(declaration: Declaration) -> Iterator[Declaration]:
    """A declaration after all that it is made from."""
    if isinstance(declaration, (FeatureGroup, TrainingSet)):
        for each in declaration.inputs:
            yield from _with_upstream(_upstream(each))
    if isinstance(declaration, TrainingSet):
        yield from _with_upstream(declaration.service)
    if isinstance(declaration, FeatureService):
        for feature in declaration.features:
            yield from _with_upstream(feature.group)
    yield declaration


def _upstream(each: AnyInput) -> Source | FeatureGroup | Dimension:
    return each.upstream if isinstance(each, Input) else each


def _collected(found: Iterable[tuple[Declaration, str]]) -> Declarations:
    modules: dict[tuple[type[Declaration], str, int], str] = {}
    collected = Declarations({}, {}, {}, {}, {})
    for declaration, finder in found:
        version = declaration.version if isinstance(declaration, FeatureGroup) else 1
        name, kind = declaration.name, type(declaration)
        function = _function(declaration)
        module = finder if function is None else function.__module__
        if (kind, name, version) in modules:
            raise _duplicate(kind, name, version, modules=(modules[kind, name, version], module))
        modules[kind, name, version] = module
        match declaration:
            case Source():
                collected.sources[name] = declaration
            case Dimension():
                collected.dimensions[name] = declaration
            case FeatureGroup():
                collected.groups[name, version] = declaration
            case FeatureService():
                collected.services[name] = declaration
            case TrainingSet():
                collected.training_sets[name] = declaration
    return collected


def _duplicate(
    kind: type[Declaration], name: str, version: int, *, modules: tuple[str, str]
) -> DefinitionError:
    is_group = kind is FeatureGroup
    return DefinitionError(
        subject=f"{_KINDS[kind]} {name!r}",
        field="name, version" if is_group else "name",
        problem=f"{' and '.join(modules)} both declare "
        + (f"its version {version}" if is_group else "it"),
        remedy="Rename one" + (", or give it the next version" if is_group else ""),
    )
