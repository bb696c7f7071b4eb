"""The document describes what the door does, and is read without the internet."""

import re
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from door_caller import Caller, event

from ingest.application import SERVED_PATHS


@pytest.fixture
def document(door: Caller) -> dict[str, Any]:
    answer = door.http.get("/docs/openapi.json")
    assert answer.status_code == 200
    said: dict[str, Any] = answer.json()
    return said


def test_every_answer_matches_its_description(door: Caller, document: dict[str, Any]) -> None:
    bad = event(quantity="NaN")
    answers = [
        door.post(event()),
        door.post({"events": [event(), event(), bad]}),
        door.post({"events": [bad, {}, 7]}),
        door.send(b"{"),
        door.send(b'{"events": [{"quantity": NaN}]}'),
        door.http.post("/v1/events", headers={"authorization": "x"}),
        door.post(event(tenant_id="other")),
        door.http.put("/v1/events"),
        door.post({"events": [event()] * 1001}),
        door.send(b"{}", **{"content-type": "text/csv"}),
    ]
    described = document["paths"]["/v1/events"]["post"]["responses"]
    assert {str(answer.status_code) for answer in answers} == described.keys() - {"408", "429", "503"}
    for answer in answers:
        response = described[str(answer.status_code)]
        schema = response["content"][answer.headers["content-type"]]["schema"]
        jsonschema.validate(answer.json(), {**schema, "components": _plain(document["components"])})
        assert {name.lower() for name in response["headers"]} <= set(answer.headers)


def test_the_examples_are_taken_once_their_time_is_now(door: Caller, document: dict[str, Any]) -> None:
    content = document["paths"]["/v1/events"]["post"]["requestBody"]["content"]["application/json"]
    now = event()["event_time"]
    one = {**content["examples"]["one event"]["value"], "event_time": now}
    (many,) = content["examples"]["a batch"]["value"]["events"]
    assert door.post(one).status_code == 200
    assert door.post({"events": [{**many, "event_time": now}]}).status_code == 200
    for body in (one, {"events": [one]}):
        jsonschema.validate(body, {**content["schema"], "components": _plain(document["components"])})


def test_every_route_is_described_and_counted_under_its_own_name(door: Caller, document: dict[str, Any]) -> None:
    paths = set(document["paths"])
    keys = {"/v1/keys", "/v1/keys/{key_id}", "/v1/keys/{key_id}/rotate"}
    events = {"/v1/events", "/v1/events/{key}", "/v1/usage", "/v1/reports", "/v1/reports/{run}", "/v1/replay"}
    assert paths == {*events, *keys, "/webhooks/stripe/{account}", "/health/live", "/health/ready", "/metrics"}
    for path in sorted(SERVED_PATHS):
        assert door.http.get(path).status_code == 200
    counted = set(re.findall(r'tally_door_requests_total\{route="([^"]+)"', door.http.get("/metrics").text))
    assert counted >= SERVED_PATHS
    assert "other" not in counted
    assert document["paths"]["/health/ready"]["get"]["responses"].keys() >= {"200", "503"}
    assert document["paths"]["/health/ready"]["get"].get("parameters", []) == []
    # The bundled page shows OpenAPI 3.0, which has neither type lists nor null types.
    assert document["openapi"] == "3.0.3"
    assert '"type":["' not in door.http.get("/docs/openapi.json").text


def test_the_page_needs_nothing_from_elsewhere(door: Caller) -> None:
    page = door.http.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    addresses = re.findall(r'(?:src|href|url)(?:=|: )"([^"]+)"', page.text)
    assert len(addresses) == 4
    for address in addresses:
        assert address.startswith("/docs/")
        assert door.http.get(address).status_code == 200


def test_metrics_count_what_happened(door: Caller) -> None:
    same = event()
    door.post({"events": [same, same, event(quantity=2), event(quantity="NaN"), event(amount=1)]})
    text = door.http.get("/metrics").text
    for line in (
        'tally_door_requests_total{route="/v1/events",status="207"} 1.0',
        'tally_door_events_total{outcome="accepted",tenant="acme"} 2.0',
        'tally_door_events_total{outcome="duplicate",tenant="acme"} 1.0',
        'tally_door_events_total{outcome="rejected",tenant="acme"} 2.0',
        'tally_door_events_rejected_total{reason="bad_quantity"} 1.0',
        'tally_door_events_rejected_total{reason="unknown_field"} 1.0',
        "tally_door_commit_rows_sum 2.0",
        "tally_door_commit_seconds_count 1.0",
        "tally_door_queued_events 0.0",
    ):
        assert line in text


def _plain(components: Any) -> Any:
    """OpenAPI 3.0's `nullable` in JSON Schema's words."""
    if isinstance(components, list):
        return [_plain(item) for item in components]
    if not isinstance(components, dict):
        return components
    plain = {name: _plain(value) for name, value in components.items()}
    return {**plain, "type": [plain["type"], "null"]} if plain.get("nullable") is True else plain
