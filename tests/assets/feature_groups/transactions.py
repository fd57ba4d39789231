"""Literal line items."""

from datetime import UTC, datetime
from typing import Any

import polars as pl

from headrace.assets.sources.products import products
from headrace.assets.sources.transactions import transactions

END = datetime(2017, 6, 10, tzinfo=UTC)


def line_items(*rows: dict[str, Any]) -> pl.DataFrame:
    """Line items; what a row does not say is the same for all."""
    usual = {
        "household_id": 1,
        "store_id": 10,
        "basket_id": 100,
        "product_id": 1000,
        "quantity": 1,
        "sales_value": 1.0,
        "retail_disc": 0.0,
        "coupon_disc": 0.0,
        "coupon_match_disc": 0.0,
        "week": 1,
        "transaction_timestamp": datetime(2017, 6, 9, 12, tzinfo=UTC),
    }
    return pl.DataFrame([{**usual, **row} for row in rows], schema=dict(transactions.columns))


def listed(**departments: str) -> pl.DataFrame:
    """Products by the number in their name, `p1000="GROCERY"`; the even ones are private labels."""
    rows = [
        {
            "product_id": int(name[1:]),
            "manufacturer_id": 1,
            "department": department,
            "brand": "National" if int(name[1:]) % 2 else "Private",
        }
        for name, department in departments.items()
    ]
    return pl.DataFrame(rows, schema=dict(products.columns))
