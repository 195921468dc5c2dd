"""The OpenAPI document against the running service: schemathesis sends what it allows, and checks what comes back."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from offerlab.api.front import Front
from offerlab.api.routing import handlers_of
from support.service import ADMIN, CAPSULES, COFFEE, COFFEE_ADDON, Service

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


def _exercise(service: Service, examples: int) -> int:
    """Send generated requests to every operation; how many operations there were."""
    service.made("/v1/products", COFFEE)
    service.made("/v1/offers", CAPSULES)
    service.made("/v1/experiments", COFFEE_ADDON)
    headers = {"Authorization": f"Bearer {ADMIN}"}
    schema = schemathesis.openapi.from_asgi("/schema/openapi.json", Front.around(service.app), headers=headers)
    count = 0
    for found in schema.get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()

        @settings(
            max_examples=examples,
            deadline=None,
            derandomize=True,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
            database=None,
        )
        @given(case=operation.as_strategy())
        def send(case: Any) -> None:
            response = case.call(headers=headers)
            case.validate_response(response, checks=CHECKS)

        send()
        count += 1
    return count


def test_the_document_speaks_of_every_route(service: Service) -> None:
    """Each route of the application stands in the document, with its right's keys."""
    document = service.get("/schema/openapi.json").json()
    spoken = {(path, method.upper()) for path, item in document["paths"].items() for method in item}
    routes = {
        (path.replace(":str", "").replace(":int", ""), method) for path, method, _ in handlers_of(service.app.web)
    }
    assert spoken == routes
    assert document["openapi"] == "3.1.0"


def test_every_operation_holds_what_the_document_says(tmp_path_factory: pytest.TempPathFactory) -> None:
    """No generated request gets a 5xx, an undocumented status or a body of another shape."""
    service = Service(f"sqlite:///{tmp_path_factory.mktemp('api') / 'a.db'}")
    assert _exercise(service, 5) > 20
    service.close()


@pytest.mark.slow
def test_every_operation_holds_under_many_requests(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The same with two thousand requests for each operation."""
    service = Service(f"sqlite:///{tmp_path_factory.mktemp('api') / 'a.db'}")
    assert _exercise(service, 2_000) > 20
    service.close()
