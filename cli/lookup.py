"""`headrace lookup`: an online read through the feature server."""

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ..contract.errors import InvalidArgumentError, InvalidEntityError, RefusedRequestError
from ..contract.feature_group import DType, EntitySpec
from ..contract.json_values import seconds
from ..contract.status import Status
from .console import show_json, show_table
from .options import AsJson, Server

if TYPE_CHECKING:
    from ..serving.client import FeatureClient
    from ..serving.online_features import OnlineFeatures

_COLUMNS = ("value", "status", "event_timestamp", "age_seconds", "table_version", "generation")


def lookup(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="FEATURE|SERVICE|KEY=VALUE",
            help="What: group:feature, a group, or one feature service. For whom: a value for each "
            "join key; repeated keys name several entities.",
            show_default=False,
        ),
    ],
    *,
    stale: Annotated[
        Literal["null", "keep"],
        typer.Option(help="Whether values older than their TTL are hidden or kept."),
    ] = "null",
    server: Server = None,
    json: AsJson = False,
) -> None:
    """Look features up online, as a model would.

    For example: headrace lookup household_spend:spend_30d household_id=1 household_id=2

    Asks the feature server of this home; where none runs, one is started for this command alone.
    """
    from ..contract.environment import Environment
    from ..serving.client import FeatureClient
    from .reach import reached_server

    asked, given = _sorted_out(words)
    with reached_server(Environment.read(), server) as address, FeatureClient(address) as client:
        question = _question(client, asked)
        entities = typed_entities(given, question.entities)
        answer = client.get_online_features(
            question.features, feature_service=question.service, entities=entities, stale=stale
        )
    found = answer_to_json(answer)
    if json:
        show_json({"entities": found})
        return
    keys = [key for key in found[0] if key != "features"] if found else []
    show_table(
        [*keys, "feature", *_COLUMNS],
        [
            [*(entity[key] for key in keys), name, *_shown(cell)]
            for entity in found
            for name, cell in entity["features"].items()
        ],
    )


def answer_to_json(answer: "OnlineFeatures") -> list[dict[str, Any]]:
    """One dict per entity: join keys, and `features` with value, status and provenance of each."""
    timestamps = answer.event_timestamps.astype("int64")
    ages = answer.ages.astype("int64")
    found: list[dict[str, Any]] = []
    for row, values in enumerate(answer.to_dicts()):
        cells = {}
        for column, name in enumerate(answer.feature_names):
            group = answer.group_index[column]
            exists = bool(answer.table_versions[row, group] >= 0)
            cells[name] = {
                "value": values.pop(name),
                "status": Status(answer.statuses[row, column]).name,
                "event_timestamp": _instant(timestamps[row, group]) if exists else None,
                "age_seconds": _seconds(ages[row, group]) if exists else None,
                "table_version": int(answer.table_versions[row, group]) if exists else None,
                "generation": int(answer.generations[row, group]) if exists else None,
            }
        found.append({**values, "features": cells})
    return found


def typed_entities(
    given: Mapping[str, Sequence[str]], entities: Iterable[EntitySpec]
) -> dict[str, list[object]]:
    """Values from a command line, as the join keys of what is asked for want them.

    Dates are written as 2018-01-31, bytes in base64. A key that nothing asked for has is left as it
    is, for the client to refuse.

    Raises:
        InvalidEntityError: A value is not of its join key's type.
    """
    typed: dict[str, list[object]] = {key: list(values) for key, values in given.items()}
    for entity in entities:
        for key in entity.join_keys:
            for position, text in enumerate(given.get(key.name, ())):
                try:
                    typed[key.name][position] = _READERS[key.dtype](text)
                except ValueError as error:
                    raise InvalidEntityError(
                        entity=entity.name, join_key=key.name, expected=key.dtype.name, got=text
                    ) from error
    return typed


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked for: features, or one service; and whom that describes."""

    features: tuple[str, ...] | None
    service: str | None
    entities: tuple[EntitySpec, ...]


def _question(client: "FeatureClient", asked: Sequence[str]) -> _Question:
    try:
        contracts = client.get_contracts(asked)
    except RefusedRequestError as no_group:
        if len(asked) != 1 or ":" in asked[0] or no_group.code != "NOT_FOUND":
            raise
        try:
            contracts = client.get_contracts(feature_service=asked[0])
        except RefusedRequestError as no_service:
            reason = f"{no_group.reason} (and {no_service.reason})"
            raise RefusedRequestError(code=no_service.code, reason=reason) from no_service
        return _Question(None, asked[0], tuple(contract.entity for contract in contracts))
    return _Question(tuple(asked), None, tuple(contract.entity for contract in contracts))


def _sorted_out(words: Sequence[str]) -> tuple[list[str], dict[str, list[str]]]:
    """Words without `=` say what is asked for, words with it for whom."""
    asked: list[str] = []
    given: dict[str, list[str]] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if equals:
            given.setdefault(key, []).append(value)
        else:
            asked.append(word)
    if not asked or not given:
        raise InvalidArgumentError(
            argument="lookup",
            problem=f"it names no {'features' if given else 'entity'}",
            remedy="write, for example, headrace lookup household_spend:spend_30d household_id=1",
        )
    return asked, given


def _instant(microseconds: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(microseconds))


def _seconds(microseconds: int) -> int | float:
    return seconds(timedelta(microseconds=int(microseconds)))


def _shown(cell: Mapping[str, object]) -> list[object]:
    return [cell[column] for column in _COLUMNS]


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from error


_READERS: dict[DType, Callable[[str], object]] = {
    DType.INT32: int,
    DType.INT64: int,
    DType.STRING: str,
    DType.BYTES: _base64,
    DType.DATE: date.fromisoformat,
}
