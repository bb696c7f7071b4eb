"""Who may post, and for how long."""

from datetime import UTC, datetime, timedelta
from time import monotonic, sleep

import psycopg
import pytest
from door_caller import Caller, event

from tally.api_keys import ApiKeyError, create_key, find_key, list_keys, parse_key, revoke_key


def status_with(door: Caller, key: str | None) -> tuple[int, str]:
    headers = {b"authorization": b"" if key is None else f"Bearer {key}".encode()}
    answer = door.http.post("/v1/events", json=event(), headers=headers)
    return answer.status_code, answer.json().get("type", "").rpartition(":")[2]


def key_id(key: str) -> str:
    parsed = parse_key(key)
    assert parsed is not None
    return parsed[0]


def test_a_key_that_is_missing_broken_or_unknown_is_refused(door: Caller, key: str) -> None:
    del door.http.headers["authorization"]
    answer = door.post(event())
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="tallyledger"')
    assert answer.json()["type"].endswith(":key-missing")
    assert status_with(door, None) == (401, "key-malformed")
    for broken in ("x", "tly_", "tly_a", "tly__b", f"{key} x", "tly_a\u00e9_b", "Bearer " + key):
        assert status_with(door, broken) == (401, "key-malformed")
    for unknown in ("tly_0000_secret", key[:-1] + ("A" if key[-1] != "A" else "B"), key + "x"):
        assert status_with(door, unknown) == (401, "key-unknown")
    assert status_with(door, key) == (200, "")
    assert len(door.landed()) == 1
    assert 'tally_door_auth_failures_total{reason="key-unknown"} 3.0' in door.http.get("/metrics").text


def test_a_revoked_key_is_refused_within_five_seconds(door: Caller, key: str) -> None:
    assert status_with(door, key) == (200, "")
    revoke_key(door.connection, "acme", key_id(key))
    until = monotonic() + 5
    while (status := status_with(door, key)) == (200, "") and monotonic() < until:
        sleep(0.1)
    assert status == (401, "key-revoked")
    landed = len(door.landed())
    assert status_with(door, key) == (401, "key-revoked")
    assert len(door.landed()) == landed


def test_a_key_expires(door: Caller) -> None:
    now = datetime.now(UTC)
    assert status_with(door, create_key(door.connection, "acme", "old", expires_at=now)) == (401, "key-expired")
    assert status_with(door, create_key(door.connection, "acme", "good", expires_at=now + timedelta(hours=1))) == (
        200,
        "",
    )


def test_a_key_without_the_scope_is_refused(door: Caller) -> None:
    reader = create_key(door.connection, "acme", "reader", ["events:read", "usage:read"])
    assert status_with(door, reader) == (403, "scope-missing")
    assert door.landed() == []


def test_the_tenant_comes_from_the_key(door: Caller) -> None:
    other = create_key(door.connection, "other", "other")
    headers = {"authorization": f"Bearer {other}"}
    assert door.http.post("/v1/events", json=event(metric="secret"), headers=headers).status_code == 200
    assert door.http.post("/v1/events", json=event(), headers=headers).status_code == 400
    assert [row["tenant_id"] for row in door.landed()] == ["other"]


def test_only_a_hash_of_the_secret_is_stored(connection: psycopg.Connection, tenant: str) -> None:
    key = create_key(connection, tenant, "first", ["events:write", "keys:write"])
    parsed = parse_key(key)
    assert parsed is not None
    stored = connection.execute("select api_keys::text from tally.api_keys").fetchone()
    assert stored is not None
    assert parsed[1] not in stored[0]
    found = find_key(connection, parsed[0])
    assert found is not None
    assert found.matches(parsed[1])
    assert not found.matches(parsed[1] + "x")
    assert found.scopes == ("events:write", "keys:write")
    assert [(shown.key_id, shown.scopes) for shown in list_keys(connection, tenant)] == [(found.key_id, found.scopes)]
    assert list_keys(connection, "other") == []
    assert find_key(connection, "nobody") is None


def test_revoking_is_for_good_and_for_the_tenants_own_keys(connection: psycopg.Connection, tenant: str) -> None:
    key = key_id(create_key(connection, tenant, "first"))
    assert not revoke_key(connection, "other", key)
    assert revoke_key(connection, tenant, key)
    (first,) = list_keys(connection, tenant)
    assert first.standing(datetime.now(UTC)) == "revoked"
    assert revoke_key(connection, tenant, key)
    assert list_keys(connection, tenant) == [first]


@pytest.mark.parametrize("scopes", [[], ["events:write", "root"]])
def test_a_key_needs_scopes_that_exist(connection: psycopg.Connection, tenant: str, scopes: list[str]) -> None:
    with pytest.raises(ApiKeyError, match="scopes are"):
        create_key(connection, tenant, "x", scopes)


def test_a_key_needs_a_tenant_and_a_zone(connection: psycopg.Connection, tenant: str) -> None:
    with pytest.raises(ApiKeyError, match="no tenant 'nobody'"):
        create_key(connection, "nobody", "x")
    with pytest.raises(ApiKeyError, match="no time zone"):
        create_key(connection, tenant, "x", expires_at=datetime(2030, 1, 1))  # noqa: DTZ001
