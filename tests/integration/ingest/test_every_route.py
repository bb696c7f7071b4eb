"""What holds on every route that the document names: one error shape, request ids, scopes, and tenants kept apart."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest
from door_caller import Caller

from ingest.api import Api
from ingest.application import SERVED_PATHS
from ingest.door_clock import PlainClock
from ingest.key_use import KeyUse
from ingest.keyring import Keyring
from ingest.link import Link
from ingest.metrics import Metrics
from ingest.route import Call, Reply, Route
from tally.api_keys import SCOPES, create_key
from tally.clock import SystemClock
from tally.database import connect
from tally.embedded_postgres import EmbeddedPostgres

METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
NEEDED = {
    "/v1/events": {"get": "events:read", "post": "events:write"},
    "/v1/events/{key}": {"get": "events:read"},
    "/v1/usage": {"get": "usage:read"},
    "/v1/reports": {"get": "usage:read"},
    "/v1/reports/{run}": {"get": "usage:read"},
    "/v1/replay": {"post": "config:write"},
}
PROBLEM = {"type", "title", "status", "detail", "request_id"}


@pytest.fixture
def operations(door: Caller) -> list[tuple[str, str, str]]:
    """Method, template and address of every operation under /v1."""
    paths = door.http.get("/docs/openapi.json").json()["paths"]
    named = [(method, path) for path, item in paths.items() if path.startswith("/v1/") for method in item]
    assert len(named) == 12
    return [(method, path, re.sub(r"\{[a-z_]+\}", "000000000000", path)) for method, path in named]


def ask(door: Caller, method: str, address: str, key: str | None = None, **headers: str) -> httpx.Response:
    if key is not None:
        headers = {**headers, "authorization": f"Bearer {key}"}
    return httpx.request(method, f"{door.http.base_url}{address}", headers=headers, timeout=30)


def check_problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    said: dict[str, Any] = answer.json()
    assert said.keys() >= PROBLEM
    assert said["type"] == f"urn:tallyledger:problem:{code}"
    assert (said["status"], said["request_id"]) == (status, answer.headers["x-request-id"])
    assert said["title"]
    assert said["detail"]
    return said


def test_without_a_key_no_route_answers(door: Caller, operations: list[tuple[str, str, str]]) -> None:
    for method, _, address in operations:
        answer = ask(door, method, address, **{"x-request-id": "mine"})
        assert check_problem(answer, 401, "key-missing")["request_id"] == "mine"
        assert answer.headers["www-authenticate"].startswith("Bearer")
        check_problem(ask(door, method, address, "tly_0_unknown"), 401, "key-unknown")


def test_every_route_asks_for_its_own_scope(door: Caller, operations: list[tuple[str, str, str]]) -> None:
    for method, path, address in operations:
        needed = NEEDED.get(path, {}).get(method, "keys:write")
        others = create_key(door.connection, "acme", "others", [scope for scope in SCOPES if scope != needed])
        answer = ask(door, method, address, others)
        assert needed in check_problem(answer, 403, "scope-missing")["detail"]
    assert 'auth_failures_total{reason="scope-missing"} 12.0' in door.http.get("/metrics").text


def test_no_route_serves_another_tenant_and_each_attempt_is_counted(
    door: Caller, operations: list[tuple[str, str, str]]
) -> None:
    key = create_key(door.connection, "acme", "all", SCOPES)
    for method, path, address in operations:
        check_problem(ask(door, method, f"{address}?tenant_id=other", key), 403, "foreign-tenant")
        check_problem(ask(door, method, f"{address}?tenant_id=acme&tenant_id=other", key), 403, "foreign-tenant")
        assert f'foreign_tenant_requests_total{{route="{path}"}}' in door.http.get("/metrics").text
        assert ask(door, method, f"{address}?tenant_id=acme", key).status_code != 403
    assert door.landed() == []


def test_a_method_that_is_not_taken_is_told_which_are(door: Caller) -> None:
    paths = door.http.get("/docs/openapi.json").json()["paths"]
    for path, item in paths.items():
        taken = {method.upper() for method in item}
        for method in sorted(METHODS - taken - ({"OPTIONS"} if not path.startswith("/v1/") else set())):
            answer = ask(door, method, re.sub(r"\{[a-z_]+\}", "x", path))
            check_problem(answer, 405, "method-not-allowed")
            assert set(answer.headers["allow"].split(", ")) - {"OPTIONS"} == taken


def test_what_is_not_there_is_a_problem_too(door: Caller, key: str) -> None:
    for address in (
        "/",
        "/v1",
        "/v1/",
        "/v1/event",
        "/v1/keys/",
        "/v1/keys/a/b",
        "/v1/events/",
        "/docs/x",
        "/v2/events",
    ):
        check_problem(ask(door, "GET", address, key), 404, "not-found")


def test_every_answer_carries_its_request_id(door: Caller) -> None:
    for path in sorted(SERVED_PATHS):
        assert ask(door, "GET", path, **{"x-request-id": "mine"}).headers["x-request-id"] == "mine"
        assert ask(door, "GET", path).headers["x-request-id"]


@pytest.fixture
def silent(door: Caller, postgres: EmbeddedPostgres) -> Iterator[Caller]:
    """A door whose database takes no connections any more."""
    name = door.connection.info.dbname
    with connect(postgres.url("postgres"), autocommit=True) as admin:
        statement = psycopg.sql.SQL("alter database {} allow_connections {}")
        admin.execute(statement.format(psycopg.sql.Identifier(name), psycopg.sql.SQL("false")))
        admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", (name,))
        yield door
        admin.execute(statement.format(psycopg.sql.Identifier(name), psycopg.sql.SQL("true")))


def test_a_lost_database_is_a_problem_that_says_when_to_come_back(
    operations: list[tuple[str, str, str]], silent: Caller
) -> None:
    for method, _, address in operations:
        answer = ask(silent, method, address, "tly_0_unknown")
        check_problem(answer, 503, "database-lost")
        assert answer.headers["retry-after"] == "1"


async def test_a_fault_of_the_doors_own_is_a_problem_and_reaches_the_log(database_url: str, key: str) -> None:
    async def broken(call: Call) -> Reply:
        raise ZeroDivisionError

    link = Link(database_url, "test")
    route = Route("GET", "/v1/broken", "events:write", broken)
    metrics = Metrics(100)
    api = Api([route], {}, PlainClock(SystemClock()), Keyring(link, KeyUse(link)), metrics)
    transport = httpx.ASGITransport(app=api, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://door") as client:
        answer = await client.get("/v1/broken", headers={"authorization": f"Bearer {key}"})
    await link.close()
    check_problem(answer, 500, "fault")
    assert b'tally_door_requests_total{route="/v1/broken",status="500"} 1.0' in metrics.text()
