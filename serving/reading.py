"""How everything that needs the store says so without touching it.

A `Reading` is a generator: it yields the keys that it needs, is sent their values (`None` where
there is none) and returns its result. A transport drives it, and may fetch for many of them in one
round trip.
"""

from collections.abc import Generator
from typing import TypeAlias, TypeVar

Result = TypeVar("Result")

Keys: TypeAlias = list[bytes]
Values: TypeAlias = list[bytes | None]
Reading: TypeAlias = Generator[Keys, Values, Result]
