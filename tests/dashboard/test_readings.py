"""When the report's page reads anew, and when the last reading still stands."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboard import sample
from offerlab.dashboard.readings import STILL, Readings
from offerlab.domain.clock import SECOND
from offerlab.reporting.report import Report
from offerlab.workflows.runtime import Runtime
from support.service import Service


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Service]:
    """A service with the coffee experiment."""
    service = Service(f"sqlite:///{tmp_path / 'offerlab.sqlite'}")
    service.coffee_shop()
    yield service
    service.close()


def test_a_report_is_read_again_when_something_happened_or_time_has_passed(shop: Service) -> None:
    """Twice the same page costs one reading; an event, a changed definition and a minute each cost another."""
    read: list[str] = []

    def count(_runtime: Runtime, _project_id: int, key: str, _as_of: int | None) -> Report:
        read.append(key)
        return sample.ship()

    runtime, readings = shop.app.runtime, Readings(count)
    project = runtime.projects()[0].id

    def look() -> int:
        readings.at(runtime, project, "coffee-addon", None)
        return len(read)

    assert [look(), look()] == [1, 1]
    shop.decide("c-1", expose=True)
    assert [look(), look()] == [2, 2]
    shop.made("/v1/segments", {"key": "all", "name": "All", "priority": 1, "rule": {"all": []}})
    assert [look(), look()] == [3, 3]
    shop.wait(seconds=STILL / SECOND)
    assert [look(), look()] == [4, 4]
