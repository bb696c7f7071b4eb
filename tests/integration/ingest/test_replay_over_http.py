"""POST /v1/replay: shown, applied by the hash that was shown, for the key's own tenant and nobody else."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from door_caller import running_door

from tally.api_keys import create_key
from tally.database import connect
from tally.ledger import Ledger
from tally.settings import Settings


@pytest.fixture
def database(built_database_url: str, ledger: Ledger) -> Iterator[psycopg.Connection]:
    """Acme with two counted events, one of which was reversed since, and one of an undeclared metric."""
    with connect(built_database_url, autocommit=True) as connection:
        connection.execute("insert into tally.tenants (tenant_id, name) values ('acme', 'Acme'), ('other', 'Other')")
        connection.execute("insert into tally.meters (tenant_id, metric, aggregation) values ('acme', 'calls', 'sum')")
        connection.execute(
            """
            insert into raw.usage_events (tenant_id, idempotency_key, customer_ref, metric, quantity, event_time)
            values
                ('acme', 'a', 'globex', 'calls', 5, now()),
                ('acme', 'b', 'globex', 'calls', 7, now()),
                ('acme', 'c', 'globex', 'bytes', 1, now())
            """
        )
        ledger.tick()
        connection.execute("insert into tally.event_reversals values ('acme', 'b', 'test', now(), 'ann')")
        yield connection


@pytest.fixture
def ask(
    built_database_url: str, database: psycopg.Connection, tmp_path: Path
) -> Iterator[Callable[..., httpx.Response]]:
    """Asks a door in front of the built database."""
    settings = {"DATABASE_URL": built_database_url, "TALLY_HOME": tmp_path, "TALLY_DOOR_PORT": 0}
    own = create_key(database, "acme", "operator", ["config:write"])
    with ExitStack() as stack:
        url = stack.enter_context(running_door(Settings.model_validate(settings)))
        client = stack.enter_context(httpx.Client(base_url=url, timeout=60))

        def post(body: Any, key: str = own) -> httpx.Response:
            return client.post("/v1/replay", json=body, headers={"authorization": f"Bearer {key}"})

        yield post


def value(database: psycopg.Connection) -> Decimal:
    row = database.execute("select value from marts.usage_counters where metric = 'calls'").fetchone()
    assert row is not None
    value: Decimal = row[0]
    return value


def test_a_replay_is_shown_and_then_applied_by_its_hash(
    ask: Callable[..., httpx.Response], database: psycopg.Connection
) -> None:
    answer = ask({"tenantId": "acme", "metrics": ["calls"], "since": "-PT24H", "until": "now", "mode": "dry-run"})
    assert answer.status_code == 200, answer.text
    shown = answer.json()
    assert (shown["mode"], shown["applied"]) == ("dry-run", False)
    assert shown["changes"] == {
        "calls": {"eventsFound": 2, "lateEvents": 0, "counterDelta": "-7", "affectedCustomers": ["globex"]}
    }
    assert shown["summary"] == {"events": 2, "counters": 1, "held": 0, "withoutLanding": 0, "decided": 0}
    (counter,) = shown["counters"]
    assert (counter["valueBefore"], counter["valueAfter"], counter["isClosed"]) == ("12", "5", False)
    assert value(database) == Decimal(12)
    applied = ask({"mode": "apply", "hash": shown["hash"]}).json()
    assert (applied["mode"], applied["applied"], applied["cursor"]) == ("apply", True, shown["cursor"])
    assert value(database) == Decimal(5)
    again = ask({"mode": "apply", "hash": shown["hash"]})
    assert (again.status_code, again.json()["applied"]) == (200, True)
    by = database.execute("select asked_by, applied_by from tally.replays").fetchone()
    assert by is not None
    assert by[0] == by[1]
    assert by[0].startswith("API key ")


def test_another_difference_than_the_shown_one_is_refused(
    ask: Callable[..., httpx.Response], database: psycopg.Connection
) -> None:
    shown = ask({"mode": "dry-run"}).json()
    database.execute("insert into tally.event_reversals values ('acme', 'a', 'test', now(), 'ann')")
    refused = ask({"mode": "apply", "hash": shown["hash"]})
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:tallyledger:problem:replay-changed")
    assert value(database) == Decimal(12)
    assert ask({"mode": "apply", "hash": refused.json()["hash"]}).json()["applied"]
    assert database.execute("select count(*) from ledger.int_usage_counters").fetchone() == (0,)


def test_without_a_hash_apply_changes_what_it_finds(
    ask: Callable[..., httpx.Response], database: psycopg.Connection
) -> None:
    assert ask({"mode": "apply", "metrics": ["calls"]}).json()["changes"]["calls"]["counterDelta"] == "-7"
    assert value(database) == Decimal(5)


def test_a_tenants_replay_is_its_own(ask: Callable[..., httpx.Response], database: psycopg.Connection) -> None:
    other = create_key(database, "other", "operator", ["config:write"])
    shown = ask({"mode": "dry-run"}).json()
    assert ask({"mode": "dry-run", "tenantId": "acme"}, other).status_code == 403
    assert ask({"mode": "apply", "hash": shown["hash"]}, other).status_code == 400
    assert ask({"mode": "dry-run"}, other).json()["changes"] == {}
    assert ask({"mode": "dry-run"}, create_key(database, "acme", "app", ["events:write"])).status_code == 403


def test_one_replay_at_a_time(
    ask: Callable[..., httpx.Response], database: psycopg.Connection, built_database_url: str
) -> None:
    with connect(built_database_url, autocommit=True) as other:
        other.execute("select pg_advisory_lock(hashtextextended('tally.replay acme', 0))")
        busy = ask({"mode": "dry-run"})
        assert (busy.status_code, busy.json()["type"]) == (409, "urn:tallyledger:problem:replay-running")


def test_a_body_that_cannot_be_used_is_a_problem(ask: Callable[..., httpx.Response]) -> None:
    for body in (
        None, [], {"mode": "both"}, {"metrics": []}, {"metrics": [""]}, {"customers": ["a\x00"]},
        {"since": "yesterday"},
        {"since": "2013-01-01T00:00:00"}, {"since": "now", "until": "-PT1H"}, {"since": "-P9999999999D"},
        {"metrics": ["unknown"]}, {"tenant": "acme"}, {"hash": "0" * 64}, {"mode": "apply", "hash": "x"},
        {"mode": "apply", "hash": "0" * 64}, {"mode": "apply", "hash": "0" * 64, "metrics": ["calls"]},
    ):  # fmt: skip
        answer = ask(body)
        assert answer.status_code == 400, body
        assert answer.json()["detail"].startswith("the body cannot be used: "), body
