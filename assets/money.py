"""Amounts as whole cents: their sum does not depend on the order of rows; one of floats does."""

import polars as pl


def cents(column: str) -> pl.Expr:
    """A column of dollars, each to the nearest cent."""
    return (pl.col(column) * 100).round().cast(pl.Int64)


def dollars(amount: pl.Expr) -> pl.Expr:
    """An amount of cents in dollars: the float nearest to it."""
    # Polars multiplies by the reciprocal of a literal: 278 / 100 would be 2.7800000000000002.
    return (amount / 100).round(2)
