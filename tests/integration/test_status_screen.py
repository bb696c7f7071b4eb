"""`tally status` as a screen and as a document: what it shows, that it fits, and that it never reads the history."""

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from rich.console import Console
from typer.testing import CliRunner

from tally.cli.app import app
from tally.cli.status import _look
from tally.cli.status_screen import screen
from tally.clock import FixedClock
from tally.database import connect
from tally.landing_rate import landing_rate
from tally.machine import Machine, machine
from tally.pipeline_status import pipeline_status
from tally.settings import Settings, load_settings

NOW = datetime(2024, 3, 20, 12, tzinfo=UTC)


@pytest.fixture
def database(built_database_url: str) -> Iterator[psycopg.Connection[Any]]:
    """A month of landed days with a tenant who landed lately, and one who has been quiet for a week."""
    with connect(built_database_url, autocommit=True) as opened:
        opened.execute("insert into tally.tenants (tenant_id, name) values ('acme', 'Acme'), ('quiet', 'Quiet')")
        opened.execute("select tally.ensure_partitions('2024-03-01', '2024-03-20')")
        opened.execute("insert into tally.simulated_clock (now) values (%s)", (NOW,))
        for tenant, at in (("quiet", NOW - timedelta(days=7)), ("acme", NOW - timedelta(minutes=5))):
            land(opened, tenant, 1, at, at)
        land(opened, "acme", 120, NOW - timedelta(seconds=50), NOW - timedelta(seconds=1))
        yield opened


def land(database: psycopg.Connection[Any], tenant: str, events: int, first: datetime, last: datetime) -> None:
    database.execute(
        "insert into raw.usage_events"
        " (tenant_id, idempotency_key, customer_ref, metric, quantity, event_time, landed_at)"
        " select %(tenant)s, gen_random_uuid(), 'globex', 'calls', 1, %(first)s, %(first)s + number * ("
        " %(last)s::timestamptz - %(first)s::timestamptz) / %(events)s from generate_series(1, %(events)s) as number",
        {"tenant": tenant, "events": events, "first": first, "last": last},
    )


def test_the_door_rate_is_that_of_the_last_minute_and_of_one_tenant(database: psycopg.Connection[Any]) -> None:
    acme = landing_rate(database, "acme", NOW, is_built=True)
    assert (acme.events_per_second, acme.last_landed_at) == (2.0, NOW - timedelta(seconds=1))
    assert landing_rate(database, "quiet", NOW, is_built=True).events_per_second == 0
    assert landing_rate(database, "acme", NOW + timedelta(minutes=1), is_built=True).events_per_second == 0


def test_what_waits_and_how_long(database: psycopg.Connection[Any]) -> None:
    found = pipeline_status(database, "acme", NOW)
    assert (found.rows_waiting, found.lag, found.more_are_waiting) == (121, timedelta(minutes=5), False)
    assert (found.drift, found.oldest_break_at, found.lines) == (None, None, {})


def test_an_open_write_transaction_is_named_with_its_age(
    database: psycopg.Connection[Any], built_database_url: str, settings: Settings
) -> None:
    with connect(built_database_url) as writer:
        writer.execute("select pg_current_xact_id()")
        found = machine(database, settings.home / "not" / "there" / "yet")
        assert found.writer is not None
        assert f"process {writer.info.backend_pid} " in found.writer
        assert found.writing_for is not None
        [finding] = found.findings(timedelta(0))
        assert (finding.kind, finding.is_global) == ("long_write", True)
        assert list(found.findings(timedelta(minutes=5))) == []
    assert found.database_bytes > 2**20
    assert 0 < found.free_bytes <= found.disk_bytes


@pytest.mark.parametrize(("free", "disk", "is_full"), [(9, 100, True), (11, 100, False), (11, 1000, False)])
def test_a_full_disk_is_wrong_and_a_tenth_of_a_large_one_is_not(free: int, disk: int, is_full: bool) -> None:
    found = Machine(free * 2**30, disk * 2**30, 0, None, None)
    assert [each.kind for each in found.findings(timedelta(minutes=5))] == ["disk_full"] * is_full


def test_it_is_one_screen_however_much_is_wrong(database: psycopg.Connection[Any], settings: Settings) -> None:
    for state in ("disputed", "refused", "confirmed", "resolving", "planned"):
        database.execute(
            "insert into tally.push_intents (tenant_id, account, livemode, customer_ref, metric, period_start,"
            " period_end, seq, value, counter_value, event_name, stripe_customer_id, event_ts, identifier, state,"
            " planned_at)"
            " values ('acme', 'self', false, %s, 'calls', %s, %s, 1, 1, 1, 'calls', 'cus_1', %s, %s, %s, %s)",
            (f"[bold]{state}", NOW, NOW + timedelta(days=1), NOW, state, state, NOW - timedelta(days=3)),
        )  # fmt: skip
    look = _look(database, "acme", settings, FixedClock(NOW))
    many = [*look.wrong, *(f"{number} things are wrong with [the] world: see to it" for number in range(99))]
    out = io.StringIO()
    Console(file=out, width=100, height=40).print(screen(type(look)(**(vars(look) | {"wrong": many}))))
    lines = out.getvalue().splitlines()
    assert len(lines) <= 40, out.getvalue()
    assert any("1 confirmed, 1 disputed, 1 planned, 1 refused, 1" in line for line in lines)
    assert any("2.0 a second" in line and "last minute" in line for line in lines)
    assert any("3 days, 0:00:00 ago" in line and "oldest unsettled" in line for line in lines)
    assert f"and {len(many) - 5} more" in lines[-1]


def test_the_document_has_all_of_it_and_the_exit_code_says_it(
    database: psycopg.Connection[Any], built_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", built_database_url)
    monkeypatch.setenv("TALLY_CLOCK", "simulated")
    load_settings.cache_clear()
    database.execute(
        "insert into tally.alerts (tenant_id, kind, subject, sentence, triggered_at, seen_at)"
        " values ('acme', 'conflicts', 'deliveries', 'look', %(now)s, %(now)s)",
        {"now": NOW},
    )
    quiet = CliRunner().invoke(app, ["status", "--tenant", "acme", "--json"])
    document = json.loads(quiet.output)
    assert (quiet.exit_code, document["wrong"], document["events_per_second"]) == (0, [], 2.0)
    assert [alert["kind"] for alert in document["alerts"]] == ["conflicts"]
    assert set(document["machine"]) == {"free_bytes", "disk_bytes", "database_bytes", "writing_for", "writer"}
    database.execute("update tally.simulated_clock set now = now + interval '1 hour'")
    assert CliRunner().invoke(app, ["status", "--tenant", "acme"]).exit_code == 1
    load_settings.cache_clear()
