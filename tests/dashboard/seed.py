"""A service whose experiments show the hand-made reports of `sample`."""

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from dashboard import sample
from offerlab.dashboard.readings import Readings
from offerlab.domain.clock import SECOND
from offerlab.errors import NotFound
from offerlab.reporting.report import Report
from offerlab.workflows.runtime import Runtime
from support.service import CAPSULES, COFFEE, Service

REPORTS: dict[str, Callable[[], Report]] = {
    "coffee-addon": sample.ship,
    "broken-split": sample.broken_split,
    "ended": sample.maturing,
    "second-day": sample.thin,
}
HYPOTHESIS = "Coffee machine buyers who see capsules at the checkout bring more profit."
PLAN: dict[str, Any] = {
    "hypothesis": HYPOTHESIS,
    "variants": [
        {"key": "control", "role": "control", "weight": 0.34},
        {"key": "cross-sell", "offer": "capsules", "weight": 0.33},
        {"key": "bundle-10", "offer": "capsules", "weight": 0.33},
    ],
    "metrics": {
        "primary": "gross_profit_per_customer",
        "secondary": ["aov"],
        "guardrails": ["unsubscribe_rate"],
    },
}
TODAY = 1_791_813_900 * SECOND
"""2026-10-12 14:05 UTC: the moment of the hand-made reports."""


def seeded(url: str) -> Service:
    """A service with four experiments that have run, and a draft; their reports are hand-made."""
    service = Service(url)
    service.made("/v1/products", COFFEE)
    service.made("/v1/offers", CAPSULES)
    for key in (*REPORTS, "spring-bundle"):
        service.made("/v1/experiments", {**PLAN, "key": key})
    for key in REPORTS:
        assert service.post(f"/v1/experiments/{key}/start").status_code == 200
    service.post("/v1/experiments/ended/stop", {"serve": "cross-sell", "conclusion": "ship"})
    service.time = TODAY
    service.app.web.state.readings = Readings(told)
    return service


def told(runtime: Runtime, project_id: int, key: str, as_of: int | None) -> Report:
    """The hand-made report of an experiment, whatever the moment."""
    del as_of
    if key not in REPORTS or key not in runtime.snapshot(project_id).experiments:
        raise NotFound(f"no report of {key!r}")
    return replace(REPORTS[key](), experiment=key)
