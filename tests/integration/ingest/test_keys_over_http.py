"""/v1/keys: a key makes, shows, rotates and ends keys of its own tenant, and never more than itself."""

from datetime import UTC, datetime, timedelta
from time import monotonic, sleep
from typing import Any

import httpx
import psycopg
import pytest
from door_caller import Caller, event

from ingest.api import MAX_BODY_BYTES
from tally.api_keys import SCOPES, create_key, find_key, list_keys, parse_key

ADMIN = ["keys:write", "events:write"]


def key_id(key: str) -> str:
    parsed = parse_key(key)
    assert parsed is not None
    return parsed[0]


@pytest.fixture
def admin(connection: psycopg.Connection, tenant: str) -> str:
    """A key of acme that may make keys and write events."""
    return create_key(connection, tenant, "admin", ADMIN)


@pytest.fixture
def ask(door: Caller, admin: str) -> Any:
    """Asks the door with the admin key, or with another."""

    def asked(method: str, path: str, body: Any = None, key: str = admin) -> httpx.Response:
        headers = {"authorization": f"Bearer {key}"}
        return door.http.request(method, path, json=body, headers=headers)

    return asked


def posts(door: Caller, key: str) -> int:
    return door.http.post("/v1/events", json=event(), headers={"authorization": f"Bearer {key}"}).status_code


def refused_within_five_seconds(door: Caller, key: str) -> bool:
    until = monotonic() + 5
    while posts(door, key) == 200 and monotonic() < until:
        sleep(0.1)
    return posts(door, key) == 401


def test_a_made_key_is_shown_once_and_works(door: Caller, ask: Any) -> None:
    expires = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    answer = ask("POST", "/v1/keys", {"name": "checkout", "expires_at": expires, "events_per_second": 50, "burst": 60})
    assert answer.status_code == 201
    made = answer.json()
    assert (made["name"], made["tenant_id"], made["scopes"]) == ("checkout", "acme", ["events:write"])
    assert (made["events_per_second"], made["burst"], made["last_used_at"]) == (50, 60, None)
    assert datetime.fromisoformat(made["expires_at"]) == datetime.fromisoformat(expires)
    assert posts(door, made["key"]) == 200
    listed = ask("GET", "/v1/keys")
    assert made["key_id"] in {key["key_id"] for key in listed.json()["keys"]}
    assert made["key"].split("_", 2)[2] not in listed.text
    assert "secret" not in listed.text


def test_a_key_hands_on_its_own_scopes_and_no_others(ask: Any, door: Caller) -> None:
    for scope in SCOPES:
        answer = ask("POST", "/v1/keys", {"name": "k", "scopes": [scope]})
        assert answer.status_code == (201 if scope in ADMIN else 403), scope
    assert ask("POST", "/v1/keys", {"name": "k", "scopes": ["events:write", "config:write"]}).status_code == 403
    strong = create_key(door.connection, "acme", "strong", ["config:write"])
    before = len(list_keys(door.connection, "acme"))
    assert ask("POST", f"/v1/keys/{key_id(strong)}/rotate").status_code == 403
    assert len(list_keys(door.connection, "acme")) == before


def test_a_key_hands_on_no_higher_limits_than_its_own(ask: Any, door: Caller) -> None:
    slow = create_key(door.connection, "acme", "slow", ADMIN, events_per_second=10, burst=20)
    assert ask("POST", "/v1/keys", {"name": "k", "events_per_second": 11}, slow).status_code == 403
    assert ask("POST", "/v1/keys", {"name": "k", "burst": 21}, slow).status_code == 403
    made = ask("POST", "/v1/keys", {"name": "k", "burst": 20}, slow).json()
    assert (made["events_per_second"], made["burst"]) == (10, 20)
    fast = create_key(door.connection, "acme", "fast")
    assert ask("POST", f"/v1/keys/{key_id(fast)}/rotate", None, slow).status_code == 403
    assert ask("POST", f"/v1/keys/{made['key_id']}/rotate", None, slow).status_code == 201


def test_a_rotated_key_overlaps_and_then_ends(ask: Any, door: Caller) -> None:
    old = create_key(door.connection, "acme", "app", events_per_second=1000, burst=2000)
    answer = ask("POST", f"/v1/keys/{key_id(old)}/rotate", {"overlap_seconds": 3600})
    assert answer.status_code == 201
    made = answer.json()
    assert (made["name"], made["replaces"], made["events_per_second"], made["burst"]) == (
        "app",
        key_id(old),
        1000,
        2000,
    )
    assert posts(door, old) == posts(door, made["key"]) == 200
    stored = find_key(door.connection, key_id(old))
    assert stored is not None
    assert stored.expires_at is not None
    assert abs(stored.expires_at - datetime.now(UTC) - timedelta(hours=1)) < timedelta(minutes=1)
    assert ask("POST", f"/v1/keys/{key_id(old)}/rotate", {"overlap_seconds": 0}).status_code == 201
    assert refused_within_five_seconds(door, old)
    assert posts(door, made["key"]) == 200
    answer = ask("POST", f"/v1/keys/{key_id(old)}/rotate")
    assert (answer.status_code, answer.json()["detail"]) == (400, "the key is expired: create a new one instead")


def test_a_keys_limits_change_while_it_posts(ask: Any, door: Caller, key: str) -> None:
    assert posts(door, key) == 200
    path = f"/v1/keys/{key_id(key)}"
    assert limits_in(ask("PATCH", path, {"events_per_second": 1, "burst": 2})) == (1, 2)
    until = monotonic() + 5
    while posts(door, key) == 200 and monotonic() < until:
        sleep(0.05)
    assert posts(door, key) == 429
    assert limits_in(ask("PATCH", path, {"burst": 3})) == (1, 3)
    assert limits_in(ask("PATCH", path, {"events_per_second": None})) == (None, 3)
    until = monotonic() + 5
    while is_limited(door, key) and monotonic() < until:
        sleep(0.05)
    assert {posts(door, key) for _ in range(10)} == {200}


def is_limited(door: Caller, key: str) -> bool:
    answer = door.http.post("/v1/events", json=event(), headers={"authorization": f"Bearer {key}"})
    return "ratelimit-limit" in answer.headers


def test_a_key_changes_no_limit_beyond_its_own_nor_another_tenants(ask: Any, door: Caller, key: str) -> None:
    slow = create_key(door.connection, "acme", "slow", ADMIN, events_per_second=10, burst=20)
    theirs = create_key(door.connection, "other", "theirs", ["events:write"])
    for body in ({"events_per_second": 11}, {"burst": 21}, {"burst": None}):
        for its in (slow, key):
            assert ask("PATCH", f"/v1/keys/{key_id(its)}", body, slow).status_code == 403, body
    assert limits_in(ask("PATCH", f"/v1/keys/{key_id(key)}", {"burst": 20}, slow)) == (None, 20)
    for its in (theirs, "tly_000000000000_x"):
        assert ask("PATCH", f"/v1/keys/{key_id(its)}", {"burst": 1}).status_code == 404
    assert ask("PATCH", f"/v1/keys/{key_id(key)}", {"burst": 1, "tenant_id": "other"}).status_code == 403
    for bad in (None, {}, [], {"burst": 0}, {"burst": 2**31}, {"burst": "1"}, {"rate": 1}, {"tenant_id": "acme"}):
        assert ask("PATCH", f"/v1/keys/{key_id(key)}", bad).status_code == 400, bad
    stored = {k.name: (k.events_per_second, k.burst) for k in list_keys(door.connection, "acme")}
    assert (stored["slow"], stored["test"]) == ((10, 20), (None, 20))
    assert [k.burst for k in list_keys(door.connection, "other")] == [None]


def limits_in(answer: httpx.Response) -> tuple[int | None, int | None]:
    assert answer.status_code == 200, answer.text
    return answer.json()["events_per_second"], answer.json()["burst"]


def test_a_revoked_key_is_refused_within_five_seconds(ask: Any, door: Caller, key: str) -> None:
    assert posts(door, key) == 200
    assert ask("DELETE", f"/v1/keys/{key_id(key)}").json() == {"key_id": key_id(key), "revoked": True}
    assert refused_within_five_seconds(door, key)


def test_another_tenants_keys_do_not_exist_here_and_the_attempt_is_counted(ask: Any, door: Caller) -> None:
    theirs = create_key(door.connection, "other", "theirs", ["events:write"])
    for method, path in (("DELETE", ""), ("POST", "/rotate")):
        answer = ask(method, f"/v1/keys/{key_id(theirs)}{path}")
        unknown = ask(method, f"/v1/keys/000000000000{path}")
        assert (answer.status_code, unknown.status_code) == (404, 404)
        assert answer.json()["detail"] == unknown.json()["detail"]
    assert key_id(theirs) not in ask("GET", "/v1/keys").text
    stored = find_key(door.connection, key_id(theirs))
    assert stored is not None
    assert stored.standing(datetime.now(UTC)) == "valid"
    counted = 'tally_door_foreign_tenant_requests_total{route="/v1/keys/{key_id}"} 2.0'
    assert counted in door.http.get("/metrics").text


BAD_BODIES: list[Any] = [
    None,
    [],
    {},
    {"name": ""},
    {"name": "x" * 256},
    {"name": "a\nb"},
    {"name": " a"},
    {"name": "k", "scopes": []},
    {"name": "k", "scopes": "events:write"},
    {"name": "k", "expires_at": "2020-01-01T00:00:00Z"},
    {"name": "k", "expires_at": "tomorrow"},
    {"name": "k", "events_per_second": 0},
    {"name": "k", "burst": 2**31},
    {"name": "k", "secret": "x"},
]


def test_a_key_that_cannot_be_made_is_a_problem(ask: Any, door: Caller) -> None:
    before = len(list_keys(door.connection, "acme"))
    for body in BAD_BODIES:
        answer = ask("POST", "/v1/keys", body)
        assert answer.status_code == 400, (body, answer.text)
        assert answer.json()["detail"]
    assert ask("POST", "/v1/keys", {"name": "k", "tenant_id": "other"}).status_code == 403
    assert len(list_keys(door.connection, "acme")) == before


def test_limits_hold_below_at_and_above(ask: Any, door: Caller, key: str) -> None:
    for length, status in ((0, 400), (1, 201), (255, 201), (256, 400)):
        assert ask("POST", "/v1/keys", {"name": "x" * length}).status_code == status, length
    for name in ("events_per_second", "burst"):
        for limit, status in ((0, 400), (1, 201), (2**31 - 1, 201), (2**31, 400)):
            assert ask("POST", "/v1/keys", {"name": "k", name: limit}).status_code == status, (name, limit)
    month = 30 * 86_400
    for seconds, status in ((-1, 400), (month, 201), (month + 1, 400), (10**30, 400)):
        answer = ask("POST", f"/v1/keys/{key_id(key)}/rotate", {"overlap_seconds": seconds})
        assert answer.status_code == status, (seconds, answer.text)
    assert ask("POST", f"/v1/keys/{key_id(key)}/rotate", {"overlap_seconds": 0}).status_code == 201
    body = b'{"name":"k"}'
    for size, status in ((MAX_BODY_BYTES, 201), (MAX_BODY_BYTES + 1, 413)):
        headers = {**ask("GET", "/v1/keys").request.headers, "content-type": "application/json"}
        padded = body + b" " * (size - len(body))
        headers.pop("content-length", None)
        assert httpx.post(f"{door.http.base_url}/v1/keys", content=padded, headers=headers).status_code == status


def test_a_body_of_another_media_type_is_refused(ask: Any, door: Caller) -> None:
    headers = {"authorization": ask("GET", "/v1/keys").request.headers["authorization"], "content-type": "text/plain"}
    answer = httpx.post(f"{door.http.base_url}/v1/keys", content=b'{"name":"k"}', headers=headers)
    assert (answer.status_code, answer.headers["accept"]) == (415, "application/json")


def test_a_use_is_noted_behind_the_answer_and_once_a_minute(door: Caller, key: str) -> None:
    assert posts(door, key) == 200
    first = noted(door, key)
    assert abs(first - datetime.now(UTC)) < timedelta(seconds=10)
    assert posts(door, key) == 200
    sleep(0.3)
    assert noted(door, key) == first


def test_a_wrong_secret_is_no_use(door: Caller, key: str) -> None:
    assert posts(door, key + "x") == 401
    sleep(0.3)
    stored = find_key(door.connection, key_id(key))
    assert stored is not None
    assert stored.last_used_at is None


def noted(door: Caller, key: str) -> datetime:
    until = monotonic() + 5
    while monotonic() < until:
        stored = find_key(door.connection, key_id(key))
        assert stored is not None
        if stored.last_used_at is not None:
            return stored.last_used_at
        sleep(0.05)
    raise AssertionError("the use was not noted")
