"""What one partition was computed from."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class InputUse:
    """What one partition was computed from, of one input.

    Attributes:
        version: The Delta version that was read.
        generations: The committed partitions that were read, with their generations.
        absent: Partitions of the window that are not committed; they count as empty until then.
        is_complete: Whether the input's history reaches back to the start of the window.
    """

    asset: str
    version: int
    generations: Mapping[str, int]
    absent: tuple[str, ...]
    is_complete: bool
