"""What a partition was computed from, as one digest: the same again is no new computation."""

import hashlib
from collections.abc import Iterable

import numpy as np
import polars as pl

from ..contract.document import canonical_json, digest
from .declarations import FeatureGroup
from .input_use import InputUse


def computed_identity(group: FeatureGroup, uses: Iterable[InputUse]) -> str:
    """The identity of what a feature group computes: its code, and its inputs' generations.

    Never the rows themselves: sums of floats differ in their last bits from run to run.
    """
    return digest(
        canonical_json(
            {
                "version": group.version,
                "code": group.code_version,
                "inputs": {use.asset: dict(use.generations) for use in uses},
            }
        )
    )


def content_identity(rows: pl.DataFrame, *, code_version: str = "") -> str:
    """The identity of rows as they are, in any order; polars' next release may give another."""
    content = hashlib.sha256(f"{code_version} {rows.schema}".encode())
    if rows.width:
        # numpy sorts whole numbers by vector instructions, several times faster than polars.
        content.update(np.sort(rows.hash_rows().to_numpy()).data)
    return content.hexdigest()[:32]
