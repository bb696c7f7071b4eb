"""`tally keys`: made and shown once, listed with their last use, rotated with an overlap, revoked for good."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner, Result

from tally.api_key_rotation import MAX_OVERLAP, rotate_key
from tally.api_keys import ApiKeyError, create_key, find_key, limit_key, list_keys, parse_key, revoke_key
from tally.cli.app import app
from tally.settings import load_settings

Tally = Callable[..., Result]
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def tally(database_url: str, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tally]:
    connection.execute("insert into tally.tenants (tenant_id, name) values ('acme', 'Acme'), ('other', 'Other')")
    monkeypatch.setenv("DATABASE_URL", database_url)
    load_settings.cache_clear()
    yield lambda *arguments: CliRunner().invoke(app, ["keys", *arguments, "--tenant", "acme"])
    load_settings.cache_clear()


def document(done: Result) -> Any:
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def id_of(key: str) -> str:
    parsed = parse_key(key)
    assert parsed is not None
    return parsed[0]


def test_a_key_goes_from_made_to_rotated_to_revoked(tally: Tally, connection: psycopg.Connection) -> None:
    options = ["--scope", "events:write", "--scope", "events:read", "--events-per-second", "50", "--burst", "60"]
    key = document(tally("create", "app", *options, "--json"))["key"]
    made = document(tally("rotate", id_of(key), "--overlap-hours", "2", "--json"))
    assert made["replaces"] == id_of(key)
    old, new = list_keys(connection, "acme")
    assert (new.name, new.scopes, new.events_per_second, new.burst, new.replaces, new.expires_at) == (
        "app", ("events:read", "events:write"), 50, 60, id_of(key), None,
    )  # fmt: skip
    assert old.expires_at is not None
    assert abs(old.expires_at - datetime.now(UTC) - timedelta(hours=2)) < timedelta(minutes=1)
    assert tally("revoke", id_of(made["key"])).exit_code == 0
    assert "revoked: create a new one" in str(tally("rotate", id_of(made["key"])).exception)


def test_the_list_shows_the_last_use_and_no_secret(tally: Tally, connection: psycopg.Connection) -> None:
    key = create_key(connection, "acme", "app")
    assert document(tally("list", "--json"))[0]["last_used_at"] is None
    connection.execute("update tally.api_keys set last_used_at = '2026-01-01 10:00:00Z'")
    assert document(tally("list", "--json"))[0]["last_used_at"] == "2026-01-01T10:00:00+00:00"
    shown = tally("list")
    assert "2026-01-01" in shown.output
    assert id_of(key) in shown.output
    assert key.split("_", 2)[2] not in shown.output + tally("list", "--json").output


def test_limits_of_a_key_change_one_by_one_and_go_back_to_the_doors(
    tally: Tally, connection: psycopg.Connection
) -> None:
    key = id_of(create_key(connection, "acme", "app", events_per_second=50))
    changed = document(tally("limit", key, "--burst", "60", "--json"))
    assert (changed["key_id"], changed["events_per_second"], changed["burst"]) == (key, 50, 60)
    assert f"{key}: 7/s, burst 60" in tally("limit", key, "--events-per-second", "7").output
    assert "no limit of its own" in tally("limit", key, "--events-per-second", "0", "--burst", "0").output
    (stored,) = list_keys(connection, "acme")
    assert (stored.events_per_second, stored.burst) == (None, None)


def test_a_limit_that_cannot_be_set_is_refused(tally: Tally, connection: psycopg.Connection) -> None:
    key = id_of(create_key(connection, "acme", "app"))
    theirs = id_of(create_key(connection, "other", "theirs"))
    assert "give --events-per-second, --burst or both" in tally("limit", key).output
    assert "burst is 2147483648" in str(tally("limit", key, "--burst", str(2**31)).exception)
    assert tally("limit", theirs, "--burst", "1").exit_code == 1
    with pytest.raises(ApiKeyError, match="no limit given"):
        limit_key(connection, "acme", key, {})
    with pytest.raises(ApiKeyError, match="name given: limits are events_per_second, burst"):
        limit_key(connection, "acme", key, {"name": 1})
    assert {(k.events_per_second, k.burst) for t in ("acme", "other") for k in list_keys(connection, t)} == {
        (None, None)
    }


def test_another_tenants_key_is_not_rotated(tally: Tally, connection: psycopg.Connection) -> None:
    key = id_of(create_key(connection, "other", "theirs"))
    assert tally("rotate", key).exit_code == 1
    assert len(list_keys(connection, "other")) == 1
    assert list_keys(connection, "acme") == []


def test_an_overlap_is_bounded_and_never_outlives_the_key(tally: Tally, connection: psycopg.Connection) -> None:
    key = id_of(create_key(connection, "acme", "app", expires_at=NOW + timedelta(hours=1)))
    connection.execute("update tally.api_keys set created_at = %s", (NOW - timedelta(hours=1),))
    for overlap in (timedelta(seconds=-1), MAX_OVERLAP + timedelta(seconds=1)):
        with pytest.raises(ApiKeyError, match="0 to 30 days"):
            rotate_key(connection, "acme", key, NOW, overlap)
    rotation = rotate_key(connection, "acme", key, NOW, MAX_OVERLAP)
    assert rotation is not None
    assert rotation.old_key_expires_at == NOW + timedelta(hours=1)
    new = find_key(connection, id_of(rotation.key))
    assert new is not None
    assert new.expires_at == NOW + timedelta(hours=2)
    with pytest.raises(ApiKeyError, match="expired"):
        rotate_key(connection, "acme", key, NOW + timedelta(hours=1))
    assert revoke_key(connection, "acme", id_of(rotation.key))
    with pytest.raises(ApiKeyError, match="revoked"):
        rotate_key(connection, "acme", id_of(rotation.key), NOW)


@pytest.mark.parametrize(("limit", "taken"), [(0, False), (1, True), (2**31 - 1, True), (2**31, False)])
def test_limits_of_a_key_are_bounded(tally: Tally, connection: psycopg.Connection, limit: int, taken: bool) -> None:
    for name in ("events_per_second", "burst"):
        given: dict[str, Any] = {name: limit}
        if taken:
            create_key(connection, "acme", "k", **given)
        else:
            with pytest.raises(ApiKeyError, match=f"{name} is {limit}"):
                create_key(connection, "acme", "k", **given)
