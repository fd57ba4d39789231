from datetime import UTC, datetime

import pytest

from headrace.assets.transforms import computed


def forgetful() -> None:
    """Compute, and return nothing."""


def test_a_function_that_returns_no_frame_is_named() -> None:
    with pytest.raises(TypeError, match="forgetful returned NoneType; let it return a polars"):
        computed(forgetful, datetime(2024, 1, 1, tzinfo=UTC), {})  # type: ignore[arg-type]
