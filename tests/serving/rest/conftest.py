from collections.abc import Iterator

import pytest

from headrace.tests.serving.rest.asking import rest_served, rest_settings


@pytest.fixture
def rest(valkey_url: str) -> Iterator[str]:
    """The address of a REST server."""
    with rest_served(rest_settings(valkey_url)) as address:
        yield address
