"""The service under test, on both databases."""

from collections.abc import Iterator

import pytest

from support.service import Service


@pytest.fixture
def service(fresh_database_url: str) -> Iterator[Service]:
    """A service on an empty store of its own."""
    running = Service(fresh_database_url)
    yield running
    running.close()
