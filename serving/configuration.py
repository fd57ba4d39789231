"""Where settings come from: flags, then the environment, then a file, then defaults.

Which settings there are is said by the dataclasses of `settings` alone. `rest.bind` is the field
`bind` of the table `rest`: `[rest]` and `bind` in a file, `HEADRACE_SERVE_REST_BIND` in the
environment.
"""

import difflib
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, get_type_hints

from ..contract.clock import recorded_clock
from ..contract.environment import Environment
from ..contract.errors import InvalidArgumentError
from ..contract.store_address import printed_address, require_store_address
from .flags import FLAGS
from .option_values import bare_type, is_table, read_value, spelled
from .settings import DEFAULT_BIND, Settings, StoreSettings

PREFIX = "HEADRACE_SERVE_"
DEFAULT = "default"

_VARIABLES = {
    "redis": "HEADRACE_REDIS",
    "namespace": "HEADRACE_NAMESPACE",
    "traces.endpoint": "OTEL_EXPORTER_OTLP_ENDPOINT",
    "tls.certificate": "HEADRACE_TLS_CERT",
    "tls.key": "HEADRACE_TLS_KEY",
    "tls.client_ca": "HEADRACE_TLS_CLIENT_CA",
}
"""Settings that share a variable with others than the feature server."""

_NAMED_WHOLE = ("-", "HEADRACE_", "OTEL_")
"""How origins begin that name their setting themselves; a file's name does not."""

_NOT_SET = frozenset({"clock", "store.url", "namespace", "shares_port", "worker"})
"""Fields that come with the home, are read by other names, or are a supervisor's business."""


@dataclass(frozen=True, slots=True)
class Option:
    """One setting.

    Attributes:
        name: As in a file, its table before it: `rest.bind`.
        annotation: The type of its values.
        default: Its value where nothing is said; `MISSING` where something must be.
    """

    name: str
    annotation: Any
    default: object

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return _VARIABLES.get(self.name, PREFIX + self.name.replace(".", "_").upper())


@dataclass(frozen=True, slots=True)
class Chosen:
    """A value and where it comes from: a flag, a variable, a file, or the default."""

    value: object
    origin: str


@dataclass(frozen=True, slots=True)
class Configuration:
    """What is in force, and why."""

    environment: Environment
    settings: Settings
    chosen: Mapping[str, Chosen]

    def printed(self) -> str:
        """All of it as a file would say it, each with its origin; passwords are left out."""
        lines: list[str] = []
        table = ""
        for name, chosen in sorted(self.chosen.items(), key=lambda item: ("." in item[0], item)):
            section, _, field = name.rpartition(".")
            if section != table:
                table = section
                lines += ["", f"[{table}]"]
            value, origin = chosen.value, chosen.origin
            if name == "redis":
                value = printed_address(self.environment.redis_url)
            lines.append(f"{f'{field} = {spelled(value)}':<40}  # {origin}")
        return "\n".join(lines) + "\n"


def options() -> Iterator[Option]:
    """Every setting that there is."""
    yield Option("redis", str | None, None)
    yield Option("namespace", str, "default")
    yield from _options_of(Settings, "")


def configure(
    flags: Mapping[str, str | None], variables: Mapping[str, str], file: Path | None
) -> Configuration:
    """Settle every setting.

    Args:
        flags: What those of `FLAGS` were given, by the name of the setting.
        variables: The environment.
        file: A TOML file, if one was named.

    Raises:
        InvalidArgumentError: A file cannot be read, a name is of no setting, a value of another
            type than its setting, or the online store's URL is none that there is.
        ClockConflictError: `HEADRACE_CLOCK` differs from the one recorded in the home.
    """
    known = {option.name: option for option in options()}
    said = dict(_from_file(file, known)) if file is not None else {}
    said |= dict(_from_variables(variables, known))
    for name, value in flags.items():
        if value is not None:
            said[name] = _read(known[name], value, FLAGS[name].written)
    chosen = {
        name: said.get(name, Chosen(option.default, DEFAULT)) for name, option in known.items()
    }
    environment = Environment.read(
        {
            **variables,
            "HEADRACE_REDIS": str(chosen["redis"].value or ""),
            "HEADRACE_NAMESPACE": str(chosen["namespace"].value),
        }
    )
    require_store_address(environment.redis_url)
    environment.clock()
    settings = _settings(environment, said)
    return Configuration(environment, settings, _shown(chosen, settings))


def _settings(environment: Environment, said: Mapping[str, Chosen]) -> Settings:
    base = Settings(
        bind=DEFAULT_BIND,
        store=StoreSettings(environment.redis_url),
        namespace=environment.namespace,
        clock=partial(recorded_clock, environment.home, None),
    )
    changes: dict[str, Any] = {}
    tables: dict[str, dict[str, Any]] = {}
    for name, chosen in said.items():
        table, _, field = name.rpartition(".")
        if table:
            tables.setdefault(table, {})[field] = chosen.value
        elif name not in _VARIABLES:
            changes[name] = chosen.value
    for table, values in tables.items():
        changes[table] = _table(base, table, values)
    return replace(base, **changes)


def _table(base: Settings, table: str, values: Mapping[str, object]) -> object:
    default = getattr(base, table)
    if default is not None:
        return replace(default, **values)
    kind = bare_type(get_type_hints(Settings)[table])
    missing = [
        field.name
        for field in fields(kind)
        if _default(field) is MISSING and field.name not in values
    ]
    if missing:
        raise InvalidArgumentError(
            argument=f"{table}.{next(iter(values))}",
            problem=f"it is given without {' and '.join(f'{table}.{name}' for name in missing)}",
            remedy="give both, or neither",
        )
    return kind(**values)


def _shown(chosen: Mapping[str, Chosen], settings: Settings) -> Mapping[str, Chosen]:
    """What is worth showing: a table that is not there is left out."""
    return {
        name: entry
        for name, entry in chosen.items()
        if not (table := name.rpartition(".")[0]) or getattr(settings, table) is not None
    }


def _options_of(settings: type, prefix: str) -> Iterator[Option]:
    hints = get_type_hints(settings)
    for field in fields(settings):
        name = f"{prefix}{field.name}"
        if name in _NOT_SET:
            continue
        if is_table(hints[field.name]):
            yield from _options_of(bare_type(hints[field.name]), f"{name}.")
        else:
            default = DEFAULT_BIND if name == "bind" else _default(field)
            yield Option(name, hints[field.name], default)


def _default(field: "Field[Any]") -> object:
    return field.default if field.default_factory is MISSING else field.default_factory()


def _from_variables(
    variables: Mapping[str, str], known: Mapping[str, Option]
) -> Iterator[tuple[str, Chosen]]:
    by_variable = {option.variable: option for option in known.values()}
    for variable, text in sorted(variables.items()):
        option = by_variable.get(variable)
        if option is not None and text:
            yield option.name, _read(option, text, variable)
        elif option is None and variable.startswith(PREFIX):
            raise _unknown(variable, variable, by_variable)


def _from_file(file: Path, known: Mapping[str, Option]) -> Iterator[tuple[str, Chosen]]:
    try:
        document = tomllib.loads(file.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InvalidArgumentError(
            argument="--config",
            problem=f"{file} cannot be read ({reason})",
            remedy="name a TOML file; --print-config shows one",
        ) from error
    for name, value in _flat(document, known, ""):
        if name not in known:
            where = f"{file}: {name}"
            raise _unknown(where, name, known)
        yield name, _read(known[name], value, str(file))


def _flat(
    table: Mapping[str, Any], known: Mapping[str, Option], prefix: str
) -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and name not in known:
            yield from _flat(value, known, f"{name}.")
        else:
            yield name, value


def _read(option: Option, value: object, origin: str) -> Chosen:
    try:
        return Chosen(read_value(option.annotation, value), origin)
    except ValueError as error:
        where = origin if origin.startswith(_NAMED_WHOLE) else f"{origin}: {option.name}"
        raise InvalidArgumentError(
            argument=where, problem=f"{value!r} will not do", remedy=f"give {error}"
        ) from error


def _unknown(argument: str, name: str, known: Mapping[str, object]) -> InvalidArgumentError:
    nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return InvalidArgumentError(
        argument=argument,
        problem="there is no such setting",
        remedy=f"did you mean {nearest[0]}?" if nearest else "--print-config names all that are",
    )
