"""How values are spelled in JSON."""

import math
from datetime import UTC, date, datetime, timedelta

import pytest

from headrace.contract.json_values import to_json

SPELLINGS = [
    (None, None),
    (True, True),
    (2**53, 2**53),
    (2**53 + 1, "9007199254740993"),
    (-(2**63), "-9223372036854775808"),
    (0.1, 0.1),
    (math.nan, "NaN"),
    (math.inf, "Infinity"),
    (-math.inf, "-Infinity"),
    ("ü", "ü"),
    (b"\x00\xff", "AP8="),
    (date(2018, 1, 2), "2018-01-02"),
    (datetime(2018, 1, 2, tzinfo=UTC), "2018-01-02T00:00:00Z"),
    (datetime(2018, 1, 2, 3, 4, 5, 6, tzinfo=UTC), "2018-01-02T03:04:05.000006Z"),
    (timedelta(days=1), 86400),
    (timedelta(milliseconds=1500), 1.5),
    ({"a": (1, [math.nan])}, {"a": [1, ["NaN"]]}),
]


@pytest.mark.parametrize(("value", "expected"), SPELLINGS)
def test_values_are_spelled_as_json_readers_expect(value: object, expected: object) -> None:
    assert to_json(value) == expected
