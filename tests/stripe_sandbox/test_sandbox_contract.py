"""The contract: derived again it is the same, every call in it is answered, and the checker does find faults."""

import asyncio
import json
from typing import Any

import pytest
import stripe
from contract_checker import CONTRACT, ContractChecker

from stripe_sandbox.contract.derive import CONTRACT_PATH, rendered
from stripe_sandbox.contract.scope import OPERATIONS
from stripe_sandbox.events import API_VERSION
from stripe_sandbox.routes import ROUTES


def test_the_contract_is_what_the_installed_sdk_gives() -> None:
    assert CONTRACT_PATH.read_text() == rendered(), "run: python -m stripe_sandbox.contract.derive"
    assert len(CONTRACT_PATH.read_bytes()) < 400_000
    assert CONTRACT["info"]["version"] == stripe.api_version == API_VERSION


def test_every_call_of_the_contract_is_answered_and_no_other() -> None:
    entries = [entry for methods in CONTRACT["paths"].values() for entry in methods.values()]
    assert sorted(entry["operationId"] for entry in entries) == sorted(OPERATIONS)
    for path, methods in CONTRACT["paths"].items():
        for method in methods:
            assert ROUTES.find(method.upper(), path.replace("{", "").replace("}", "")) is not None


def test_what_an_operation_takes_exists_in_the_contract() -> None:
    for route in ROUTES.all_routes():
        _assert_known(route.parameters, route.takes)


def _assert_known(schema: dict[str, Any], takes: dict[str, Any]) -> None:
    for option in schema.get("anyOf", [schema]):
        inner = option.get("items", option)
        if "properties" in inner and takes:
            assert takes.keys() - {"expand"} <= inner["properties"].keys()
            for name, deeper in takes.items():
                _assert_known(inner["properties"].get(name, {}), deeper)


def checked(method: str, path: str, body: bytes, status: int, answer: Any) -> list[str]:
    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(answer).encode()})

    async def receive() -> Any:
        return {"type": "http.request", "body": body}

    async def send(_message: Any) -> None:
        pass

    checker = ContractChecker(app)
    asyncio.run(checker({"type": "http", "method": method, "path": path, "query_string": b""}, receive, send))
    return checker.violations


EVENT: dict[str, Any] = {
    "object": "billing.meter_event",
    "created": 1,
    "event_name": "e",
    "identifier": "i",
    "livemode": False,
    "payload": {"value": "1"},
    "timestamp": 1,
}
GOOD_BODY = b"event_name=e&payload[value]=1&payload[stripe_customer_id]=c&timestamp=1"


@pytest.mark.parametrize(
    ("body", "status", "answer", "complaint"),
    [
        (GOOD_BODY, 200, EVENT, None),
        (GOOD_BODY + b"&surprise=1", 200, EVENT, "surprise"),
        (b"event_name=e", 200, EVENT, "payload"),
        (GOOD_BODY + b"&timestamp=noon", 200, EVENT, "noon"),
        (GOOD_BODY + b"&identifier=" + b"x" * 101, 200, EVENT, "too long"),
        (GOOD_BODY, 200, {**EVENT, "surprise": 1}, "surprise"),
        (GOOD_BODY, 200, {**EVENT, "timestamp": 1.5}, "1.5"),
        (GOOD_BODY, 200, {name: value for name, value in EVENT.items() if name != "identifier"}, "identifier"),
        (GOOD_BODY, 400, {"error": {"type": "x", "message": "m"}}, None),
        (GOOD_BODY, 400, {"error": {"type": "x", "message": "m", "hint": "h"}}, "hint"),
        (GOOD_BODY, 400, {"detail": "m"}, "detail"),
    ],
)
def test_the_checker_finds_planted_faults(body: bytes, status: int, answer: Any, complaint: str | None) -> None:
    violations = checked("POST", "/v1/billing/meter_events", body, status, answer)
    if complaint is None:
        assert violations == []
    else:
        assert any(complaint in violation for violation in violations), violations
