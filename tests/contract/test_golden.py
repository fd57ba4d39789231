"""The bytes of every format, as released: a change here breaks stores and clients that exist.

A new format gets new files; the old ones stay readable for one release.
"""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from headrace.contract.catalogue import (
    Manifest,
    PublishedGroup,
    PublishedVersion,
    decode_manifest,
    encode_manifest,
)
from headrace.contract.document import decode_document, digest, encode_document
from headrace.contract.feature_group import (
    DType,
    EntitySpec,
    FeatureGroupSpec,
    FeatureServiceSpec,
    FeatureSpec,
    JoinKey,
    Online,
)
from headrace.contract.keys import KeyValue, entity_encoder, group_prefix, online_key
from headrace.contract.order import Order, encode_order
from headrace.contract.rows import Row, RowCodec, Value, to_microseconds

GOLDEN = Path(__file__).parent / "golden"

SCHEMA = tuple(
    FeatureSpec(dtype.name.lower(), dtype, nullable=True, description="é", tags=(("unit", "€"),))
    for dtype in DType
)
ENTITY = EntitySpec("household", (JoinKey("household_id", DType.INT64),))
GROUP = FeatureGroupSpec(
    name="household_spend",
    version=2,
    entity=ENTITY,
    features=SCHEMA,
    ttl=timedelta(days=3),
    online=Online.SNAPSHOT,
    owners=("team:growth", "ada@example.com"),
    partitions="DAILY",
    description="What a household spends.",
    tags=(("domain", "retail"),),
    schemas=(SCHEMA[:2], SCHEMA),
)
MANIFEST = Manifest(
    namespace="default",
    groups={"household_spend": PublishedGroup(2, {2: PublishedVersion(7, "d0" * 16)})},
    services={
        "coupon_redemption": FeatureServiceSpec(
            "coupon_redemption", 1, ("household_spend:bool",), ("team:growth",), "Coupons."
        ),
    },
    previous="ab" * 16,
)
NEW_YEAR = datetime(2018, 1, 2, tzinfo=UTC)
FULL: tuple[Value, ...] = (
    True,
    -1,
    2**53 + 1,
    1.5,
    -0.0,
    "naïve 水",
    b"\x00}",
    date(2018, 1, 1),
    NEW_YEAR,
    [0.5, float("inf")],
    [],
    [-(2**63)],
)
ROWS: dict[str, tuple[Value, ...]] = {
    "full": FULL,
    "null": (None,) * len(SCHEMA),
    "mixed": tuple(value if index % 2 else None for index, value in enumerate(FULL)),
}
KEYS: dict[str, tuple[EntitySpec, tuple[KeyValue, ...]]] = {
    "int64": (ENTITY, (1,)),
    "negative": (ENTITY, (-(2**63),)),
    "string": (EntitySpec("product", (JoinKey("sku", DType.STRING),)), ("naïve}",)),
    "composite": (
        EntitySpec(
            "visit",
            (
                JoinKey("a", DType.STRING),
                JoinKey("b", DType.INT32),
                JoinKey("c", DType.DATE),
                JoinKey("d", DType.BYTES),
            ),
        ),
        ("ab", -5, date(2018, 1, 1), b"\x00\xff"),
    ),
}


def golden(name: str) -> Any:  # noqa: ANN401  # JSON
    return json.loads((GOLDEN / name).read_text())


@pytest.mark.parametrize("case", ROWS)
def test_row_bytes_are_the_released_ones(case: str) -> None:
    codec = RowCodec(SCHEMA, 1)
    row = Row(to_microseconds(NEW_YEAR), 3, 60, ROWS[case])
    released = bytes.fromhex(golden("rows.json")[case])

    assert codec.encode(row) == released
    assert codec.decode(released) == row


@pytest.mark.parametrize("case", KEYS)
def test_key_bytes_are_the_released_ones(case: str) -> None:
    entity, values = KEYS[case]

    key = online_key(group_prefix(0x0107), entity_encoder(entity)(values))

    assert key == bytes.fromhex(golden("keys.json")[case])


def test_order_bytes_are_the_released_ones() -> None:
    order = encode_order(Order(to_microseconds(NEW_YEAR), 3))

    assert order == bytes.fromhex(golden("keys.json")["order"])


def test_the_document_is_the_released_one() -> None:
    released = (GOLDEN / "document.json").read_bytes().rstrip(b"\n")

    assert encode_document(GROUP) == released
    assert decode_document(released) == GROUP
    assert digest(released) == "6196f5f5387e0a74211dddc070e62848"


def test_the_manifest_is_the_released_one() -> None:
    released = (GOLDEN / "manifest.json").read_bytes().rstrip(b"\n")

    assert encode_manifest(MANIFEST) == released
    assert decode_manifest(released) == MANIFEST


@pytest.mark.parametrize("raw", [b'{"format":2}', b"{}", b"[]"])
def test_a_format_of_another_release_is_refused_by_name(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"of format .*; this release reads \[1\]"):
        decode_document(raw)
