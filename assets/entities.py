"""Whom features describe."""

import polars as pl

from .authoring import Entity

HOUSEHOLD = Entity(
    "household",
    join_keys={"household_id": pl.Int64},
    description="A household with a loyalty card.",
)

PRODUCT = Entity(
    "product",
    join_keys={"product_id": pl.Int64},
    description="An article that a store sells.",
)

HOUSEHOLD_STORE = Entity(
    "household_store",
    join_keys={"household_id": pl.Int64, "store_id": pl.Int64},
    description="A household as a customer of one store.",
)
