"""Values as JSON readers expect them: the one spelling of the command line and of REST."""

import base64
import math
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

_LARGEST_EXACT_INTEGER = 2**53  # of a JSON reader that keeps numbers as doubles


def to_json(value: object) -> Any:  # noqa: ANN401  # JSON is what json.dumps takes
    """Spell a value as JSON readers expect it.

    Instants and days in ISO 8601 (UTC as `Z`), bytes in base64, durations in seconds, integers
    beyond 2^53 and the floats that JSON lacks as strings (as proto3's JSON does).
    """
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    if isinstance(value, float | int):
        return _number_to_json(value)
    if isinstance(value, date | timedelta):
        return _time_to_json(value)
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def instant(moment: datetime) -> str:
    """A UTC instant as ISO 8601 with `Z`; microseconds only where there are any."""
    return moment.isoformat().replace("+00:00", "Z")


def seconds(duration: timedelta) -> int | float:
    """A duration in seconds; an integer where it is whole."""
    whole, rest = divmod(duration, timedelta(seconds=1))
    return duration.total_seconds() if rest else whole


def _number_to_json(number: float) -> float | str:
    if isinstance(number, int):
        return number if abs(number) <= _LARGEST_EXACT_INTEGER else str(number)
    if math.isnan(number):
        return "NaN"
    return number if math.isfinite(number) else "Infinity" if number > 0 else "-Infinity"


def _time_to_json(value: date | timedelta) -> str | float:
    if isinstance(value, timedelta):
        return seconds(value)
    return instant(value) if isinstance(value, datetime) else value.isoformat()
