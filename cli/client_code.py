"""The Python of a generated client: the same contract always makes the same text."""

import keyword
import re
import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ..contract.feature_group import DType

if TYPE_CHECKING:
    from ..contract.feature_group import JoinKey
    from ..serving.conversation import ServiceContract

_TYPES = {
    DType.BOOL: "bool",
    DType.INT32: "int",
    DType.INT64: "int",
    DType.FLOAT32: "float",
    DType.FLOAT64: "float",
    DType.STRING: "str",
    DType.BYTES: "bytes",
    DType.DATE: "date",
    DType.TIMESTAMP: "datetime",
    DType.FLOAT32_LIST: "list[float]",
    DType.FLOAT64_LIST: "list[float]",
    DType.INT64_LIST: "list[int]",
}
_PARAMETERS = frozenset({"client", "max_age", "stale", "project"})
_WIDTH = 100

_MODULE = '''\
"""A client of the feature service `{service}`, version {version}.

Made by `headrace generate-client {service}`: make it again when the service changes.
"""
{noqa}
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import {datetime}

from headrace.serving.client import AsyncFeatureClient, FeatureClient
from headrace.serving.question import Stale
from headrace.serving.service_client import ExpectedService, look_up, look_up_async

SERVICE = ExpectedService(
    name="{service}",
    contract_ids=(
{contract_ids}
    ),
    join_keys={{
{key_types}
    }},
    features={{
{feature_types}
    }},
)


@dataclass(frozen=True, slots=True)
class {row}:
{docstring}

{fields}


def lookup(
    client: FeatureClient,
    *,
{parameters}
    max_age: timedelta | None = None,
    stale: Stale = "null",
    project: bool = False,
) -> list[{row}]:
    """Look up the features of entities, one row for each, in the order given.

    Args:
        client: Asks the feature server.
{arguments}
        max_age: Values older than this are no longer known, even within their TTL.
        stale: Whether values that are too old are hidden (`null`) or kept.
        project: Whether the server cuts the service's features out of its rows.

    Raises:
        ContractChangedError: The service is no longer what this client was made for.
        RequestError: The request cannot be answered as asked.
        ServerError: The server did not answer; the call may be repeated.
    """
    return look_up(
        client,
        SERVICE,
        {row},
        entities={{
{entities}
        }},
        max_age=max_age,
        stale=stale,
        project=project,
    )


async def lookup_async(
    client: AsyncFeatureClient,
    *,
{parameters}
    max_age: timedelta | None = None,
    stale: Stale = "null",
    project: bool = False,
) -> list[{row}]:
    """Look up the features of entities; as `lookup`."""
    return await look_up_async(
        client,
        SERVICE,
        {row},
        entities={{
{entities}
        }},
        max_age=max_age,
        stale=stale,
        project=project,
    )
'''


def client_code(service: "ServiceContract") -> str:
    """The module for this service: a row's dataclass, and lookups for both kinds of client."""
    keys = _join_keys(service)
    columns = service.columns
    dtypes = {key.dtype for key in keys} | {column.feature.dtype for column in columns}
    fields = [
        *(f"{_identifier(key.name)}: {_TYPES[key.dtype]}" for key in keys),
        *(f"{column.name}: {_TYPES[column.feature.dtype]} | None" for column in columns),
    ]
    code = _MODULE.format(
        service=service.name,
        version=service.version,
        noqa="{noqa}",
        datetime=", ".join(_datetime_names(dtypes)),
        contract_ids=_lines(8, (f'"{group.contract_id}",' for group in service.groups)),
        key_types=_lines(8, (f'"{key.name}": "{key.dtype.name}",' for key in keys)),
        feature_types=_lines(
            8, (f'"{column.name}": "{column.feature.dtype.name}",' for column in columns)
        ),
        row=_class_name(service.name),
        docstring=_docstring(service),
        fields=_lines(4, fields),
        parameters=_lines(
            4, (f"{_identifier(key.name)}: Iterable[{_TYPES[key.dtype]}]," for key in keys)
        ),
        arguments=_lines(
            8, (f"{_identifier(key.name)}: One value for each entity." for key in keys)
        ),
        entities=_lines(12, (f'"{key.name}": {_identifier(key.name)},' for key in keys)),
    )
    # Descriptions are people's words, in whatever letters; nothing else here is beyond ASCII.
    return code.replace("{noqa}", "" if code.isascii() else "\n# ruff: noqa: RUF002, RUF100")


def _join_keys(service: "ServiceContract") -> list["JoinKey"]:
    keys = {key.name: key for group in service.groups for key in group.entity.join_keys}
    return list(keys.values())


def _docstring(service: "ServiceContract") -> str:
    lines = [f'"""An answer of `{service.name}`; `None` where a value is null, too old or unknown.']
    if service.description:
        lines += ["", *_wrapped(service.description, 4)]
    described = [column for column in service.columns if column.feature.description]
    if described:
        lines += ["", "Attributes:"]
    for column in described:
        text = f"{column.name}: {column.feature.description}"
        first, *rest = _wrapped(text, 8)
        lines += [f"    {first}", *(f"        {line}" for line in rest)]
    if len(lines) == 1:
        return f'    {lines[0]}"""'
    return "\n".join([*(f"    {line}".rstrip() for line in lines), '    """'])


def _wrapped(text: str, indent: int) -> list[str]:
    """Lines of a docstring: nothing in a description may end it or escape from it."""
    plain = " ".join(text.replace("\\", "/").replace('"""', "'''").split())
    return textwrap.wrap(plain, _WIDTH - indent - 4, break_long_words=False) or [""]


def _datetime_names(dtypes: set[DType]) -> list[str]:
    named = {DType.DATE: "date", DType.TIMESTAMP: "datetime"}
    return [*(name for dtype, name in named.items() if dtype in dtypes), "timedelta"]


def _class_name(service: str) -> str:
    return "".join(word.title() for word in service.split("_")) + "Row"


def _identifier(name: str) -> str:
    """A parameter's and field's name for a join key."""
    plain = re.sub(r"\W", "_", name)
    taken = keyword.iskeyword(plain) or plain in _PARAMETERS or plain[:1].isdigit()
    return f"{plain}_" if taken and not plain[:1].isdigit() else f"_{plain}" if taken else plain


def _lines(indent: int, lines: Iterable[str]) -> str:
    made: Sequence[str] = [f"{' ' * indent}{line}" for line in lines]
    return "\n".join(made)
