"""Requests made from the door's own document, by schemathesis: each answer is one that the document names."""

from typing import Any

import pytest
import schemathesis
from door_caller import Caller
from hypothesis import HealthCheck, given, settings
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tally.api_keys import SCOPES, create_key

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
OPERATIONS = [
    ("POST", "/v1/events"),
    ("GET", "/v1/events"),
    ("GET", "/v1/events/{key}"),
    ("GET", "/v1/usage"),
    ("GET", "/v1/reports"),
    ("GET", "/v1/reports/{run}"),
    ("GET", "/v1/keys"),
    ("POST", "/v1/keys"),
    ("PATCH", "/v1/keys/{key_id}"),
    ("DELETE", "/v1/keys/{key_id}"),
    ("POST", "/v1/keys/{key_id}/rotate"),
    ("POST", "/v1/replay"),
    ("POST", "/webhooks/stripe/{account}"),
    ("GET", "/health/live"),
    ("GET", "/health/ready"),
]


def test_every_operation_of_the_document_is_fuzzed(door: Caller) -> None:
    paths = door.http.get("/docs/openapi.json").json()["paths"]
    named = {(method.upper(), path) for path, item in paths.items() for method in item}
    assert named == {*OPERATIONS, ("GET", "/metrics")}


@pytest.mark.parametrize("examples", [25, pytest.param(300, marks=pytest.mark.thorough)])
@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_no_request_of_the_document_gets_an_answer_it_does_not_name(
    door: Caller, method: str, path: str, examples: int
) -> None:
    schema = schemathesis.openapi.from_url(f"{door.http.base_url}/docs/openapi.json")
    key = create_key(door.connection, "acme", "fuzz", SCOPES)

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=schema[path][method].as_strategy())
    def fuzz(case: Case[Any]) -> None:
        answer = case.call(headers={"authorization": f"Bearer {key}"}, timeout=30)
        case.validate_response(answer, checks=CHECKS)

    fuzz()
    assert 'status="500"' not in door.http.get("/metrics").text
