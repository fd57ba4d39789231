"""How many examples a law is tried on: some in every run, many in the slow one."""

import pytest
from hypothesis import HealthCheck, Phase, settings

laws = settings(
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,
    ],
    phases=[Phase.reuse, Phase.generate, Phase.shrink],
)


def thoroughness(*, quick: int, thorough: int) -> pytest.MarkDecorator:
    """Run a law twice: with few examples, and (marked `slow`) with many."""
    return pytest.mark.parametrize(
        "examples",
        [
            pytest.param(quick, id="quick"),
            pytest.param(thorough, id="thorough", marks=pytest.mark.slow),
        ],
    )
