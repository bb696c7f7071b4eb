"""Old landed rows go only when nothing needs them, and everything that stays is still right without them."""

import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from built_ledger import built_ledger
from cloned_database import Clone
from stripe_side import StripeSide, local_stripe
from tally_command import run_tally

from tally.clock import FixedClock
from tally.database import connect
from tally.errors import LedgerError
from tally.ledger import Ledger
from tally.push import push
from tally.reconciliation import read_lines
from tally.reconciliation.check import Scope, check
from tally.retention import (
    Day,
    RetentionRefused,
    archived_days,
    days_older_than,
    delete_hours,
    detach,
    drop,
    kept_tables,
    old_hours,
    parse_age,
    reattach,
)
from tally.stripe.sync import sync_subscriptions

START = datetime(2024, 3, 1, 5, tzinfo=UTC)
BILLED = datetime(2024, 4, 6, 12, tzinfo=UTC)
LATER = datetime(2025, 6, 1, tzinfo=UTC)
AGE = timedelta(days=400)
TENTH, ELEVENTH = date(2024, 3, 10), date(2024, 3, 11)


def land(connection: psycopg.Connection[Any], key: str, quantity: str, day: date = TENTH) -> None:
    at = datetime(day.year, day.month, day.day, 6, tzinfo=UTC)
    connection.execute(
        "insert into raw.usage_events"
        " (tenant_id, idempotency_key, customer_ref, metric, quantity, event_time, landed_at, properties)"
        " values ('acme', %s, 'globex', 'minutes', %s, %s, %s, '{}')",
        (key, quantity, at.replace(day=10), at + timedelta(hours=1)),
    )


def blocked(connection: psycopg.Connection[Any], now: datetime = LATER) -> dict[date, list[str]]:
    return {day.day: day.blocked for day in days_older_than(connection, AGE, now) if day.blocked}


def detach_all(connection: psycopg.Connection[Any]) -> list[Day]:
    return list(detach(connection, days_older_than(connection, AGE, LATER), LATER))


def failed(ledger: Ledger) -> list[str]:
    ledger.tick()
    return [test.name for test in ledger.test() if test.status in ("fail", "error")]


def contents(connection: psycopg.Connection[Any]) -> dict[str, list[Any]]:
    """Every table of the ledger with its rows."""
    tables = connection.execute(
        "select oid::regclass::text from pg_class where relkind = 'r'"
        " and relnamespace in ('ledger'::regnamespace, 'marts'::regnamespace)"
    ).fetchall()
    return {
        name: connection.execute(f"select row::text from {name} as row order by 1".encode()).fetchall()
        for (name,) in tables
    }


@pytest.fixture(scope="module")
def built_template(
    clone: Clone, built_template: str, dbt_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """March counted, pushed, invoiced and in parity: two days, an event a day, a repeat of each on the second day."""
    name, home = "billed_march", tmp_path_factory.mktemp("billed_march")
    url = clone(built_template, name)
    with connect(url, autocommit=True) as connection, local_stripe(home) as stripe:
        connection.execute("select tally.ensure_partitions('2024-03-09', '2024-03-11')")
        connection.execute("insert into tally.tenants (tenant_id, name) values ('acme', 'Acme')")
        connection.execute("insert into tally.meters values ('acme', 'minutes', 'sum')")
        connection.execute("insert into tally.price_mappings values ('acme', 'minutes', 'minutes')")
        for key, quantity, day in (
            ("a", "10", TENTH),
            ("b", "20", ELEVENTH),
            ("a", "10", ELEVENTH),
            ("b", "20", ELEVENTH),
        ):
            land(connection, key, quantity, day)
        bill(connection, url, built_ledger(url, dbt_folder), stripe, home)
    return name


@pytest.fixture
def billed(built_database_url: str) -> Iterator[psycopg.Connection]:
    """This test's own copy of it."""
    with connect(built_database_url, autocommit=True) as connection:
        yield connection


def bill(connection: psycopg.Connection[Any], url: str, ledger: Ledger, stripe: StripeSide, home: Path) -> None:
    clock = stripe.test_clock(START)
    stripe.meter("minutes")
    stripe.subscribe(stripe.customer("globex", clock), "minutes")
    sync_subscriptions(connection, stripe.account, "acme", FixedClock(START))
    ledger.tick()
    in_march = FixedClock(datetime(2024, 3, 20, tzinfo=UTC))
    stripe.advance(clock, in_march.at)
    push(stripe.settings(url, home), stripe.account, "acme", in_march)
    stripe.until_applied()
    stripe.advance(clock, BILLED)
    check(connection, [stripe.account], "acme", FixedClock(BILLED), Scope())
    [line] = [line for line in read_lines(connection, "acme") if line.period_start == START]
    assert (line.verdict, line.invoice_status, line.invoice_quantity) == ("ok", "open", Decimal(30)), line


def test_settled_days_go_and_everything_else_stays_right(billed: psycopg.Connection, ledger: Ledger) -> None:
    assert blocked(billed) == {}
    gone = [(day.day, day.deliveries, day.events, day.duplicates) for day in detach_all(billed)]
    assert gone == [(date(2024, 3, 9), 0, 0, 0), (TENTH, 1, 1, 0), (ELEVENTH, 3, 1, 2)]
    assert billed.execute("select count(*) from raw.usage_events").fetchone() == (0,)
    assert billed.execute("select count(*) from archive.usage_events_20240311").fetchone() == (3,)
    assert failed(ledger) == []

    # An archived event sent again is a repeat, and counts nowhere.
    land(billed, "a", "10", date(2024, 3, 12))
    assert ledger.tick().new_events == 0
    assert billed.execute("select deliveries, events, duplicates from marts.usage_deliveries").fetchall() == [(5, 2, 3)]

    # Dropped days are gone and still accounted for.
    assert len(list(drop(billed, LATER))) == 3
    assert list(drop(billed, LATER)) == []
    assert [(day.deliveries, day.dropped_at) for day in archived_days(billed)] == [(0, LATER), (1, LATER), (3, LATER)]
    assert billed.execute("select to_regclass('archive.usage_events_20240311')").fetchone() == (None,)
    assert failed(ledger) == []
    with pytest.raises(RetentionRefused, match="was dropped"):
        reattach(billed, TENTH)


def test_a_full_refresh_never_forgets_archived_events(billed: psycopg.Connection, ledger: Ledger) -> None:
    detach_all(billed)
    counted = contents(billed)
    with pytest.raises(LedgerError, match=r"archived.*docs/runbooks/retention\.md"):
        ledger.refresh()
    assert contents(billed) == counted
    for day in archived_days(billed):
        reattach(billed, day.day)
    ledger.refresh()
    assert failed(ledger) == []


def test_what_is_not_settled_stays(billed: psycopg.Connection, ledger: Ledger) -> None:
    """Each reason alone keeps the day, and says so."""
    faults = {
        "period open": "update ledger.int_usage_events_deduplicated set closes_at = '2030-01-01'",
        "not finalized": "update tally.stripe_totals set invoice_status = 'draft'",
        "not reconciled: break, unsent delta": "update ledger.int_usage_counters set quantity_sum = 31",
        "not reconciled: missing, invoice not read": "update tally.stripe_totals set invoice_quantity = null",
        "adjustment pending": "insert into tally.adjustments"
        " (tenant_id, customer_ref, metric, period_start, period_end, amount, reason, created_at, created_by)"
        " select tenant_id, customer_ref, metric, period_start, period_end, 1, 'goodwill', now(), 'ana'"
        " from ledger.int_usage_counters",
        "not read by every model": "update tally.model_bounds set read_to = '3' where model = 'marts.usage_hourly'",
    }
    for reason, fault in faults.items():
        with billed.transaction(force_rollback=True):
            billed.execute(fault)
            found = blocked(billed)
            assert set(found) == {TENTH, ELEVENTH}, reason
            assert all(reason in "; ".join(reasons) for reasons in found.values()), found
    assert blocked(billed) == {}

    land(billed, "b", "21", ELEVENTH)
    ledger.tick()
    assert ["conflicts to decide" in "; ".join(reasons) for reasons in blocked(billed).values()] == [True]
    assert [day.day for day in detach_all(billed)] == [date(2024, 3, 9), TENTH]


def test_a_day_that_changes_after_it_was_judged_stays(billed: psycopg.Connection) -> None:
    judged = days_older_than(billed, AGE, LATER)
    land(billed, "new", "1", TENTH)
    assert [day.day for day in detach(billed, judged, LATER)] == [date(2024, 3, 9), ELEVENTH]


def test_young_days_and_other_clusters_days_stay(billed: psycopg.Connection) -> None:
    assert days_older_than(billed, AGE, BILLED) == []
    assert [day.day for day in days_older_than(billed, timedelta(days=1), datetime(2024, 3, 11, 9, tzinfo=UTC))] == [
        date(2024, 3, 9)
    ]
    billed.execute("update tally.model_bounds set system_identifier = 'another'")
    with pytest.raises(RetentionRefused, match="--restamp-only"):
        days_older_than(billed, AGE, LATER)


@pytest.mark.thorough
def test_a_day_with_new_rows_in_the_default_partition_is_not_put_back(billed: psycopg.Connection) -> None:
    detach_all(billed)
    land(billed, "again", "1", TENTH)
    with pytest.raises(RetentionRefused, match="usage_events_default"):
        reattach(billed, TENTH)
    reattach(billed, ELEVENTH)
    assert billed.execute("select count(*) from raw.usage_events_20240311").fetchone() == (3,)


def test_hours_of_settled_periods_go(billed: psycopg.Connection, ledger: Ledger) -> None:
    assert old_hours(billed, AGE, LATER).counters == 1
    assert sum(delete_hours(billed, AGE, LATER)) == 1
    assert billed.execute("select count(*) from marts.usage_hourly").fetchone() == (0,)
    assert old_hours(billed, AGE, LATER).counters == 0
    assert failed(ledger) == []
    assert billed.execute("select value from marts.usage_counters").fetchone() == (Decimal(30),)


def test_hours_of_unsettled_periods_stay(billed: psycopg.Connection) -> None:
    billed.execute("delete from tally.stripe_totals")
    found = old_hours(billed, AGE, LATER)
    assert (found.counters, found.blocked) == (0, 1)
    assert list(delete_hours(billed, AGE, LATER)) == []


def test_the_events_are_kept_for_ever(billed: psycopg.Connection) -> None:
    kept = {table.relation: table.why for table in kept_tables(billed)}
    assert "needed for ever" in kept["ledger.int_usage_events_deduplicated"]


@pytest.mark.parametrize("text", ["400", "0d", "-1d", "1y", "", "400d "])
def test_an_age_is_a_number_of_days(text: str) -> None:
    with pytest.raises(RetentionRefused, match="400d"):
        parse_age(text)


def test_the_command_shows_first_and_takes_what_it_is_told_to(
    billed: psycopg.Connection, built_database_url: str, tmp_path: Path
) -> None:
    def retention(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        environment = {"DATABASE_URL": built_database_url, "TALLY_HOME": str(tmp_path), **more}
        return run_tally(environment, "retention", *arguments)

    assert "kept for ever" in retention().stdout
    assert "TALLY_RAW_RETENTION_DAYS is not set" in retention("--detach").stderr
    shown = retention(TALLY_RAW_RETENTION_DAYS="400")
    assert "3 of 3 days may go" in shown.stdout
    assert "needed for ever" in shown.stdout
    assert "dry run" in retention("--detach-raw-older-than", "400d", "--dry-run").stdout
    assert archived_days(billed) == []

    done = json.loads(retention("--detach", "--json", TALLY_RAW_RETENTION_DAYS="400").stdout)
    assert done["detached"] == ["2024-03-09", "2024-03-10", "2024-03-11"]
    assert retention("--reattach", "2024-03-10").returncode == 0
    assert retention("--drop").returncode == 1
    assert json.loads(retention("--drop", "--yes", "--json").stdout)["dropped"] == ["2024-03-09", "2024-03-11"]
    assert json.loads(retention("--hourly-older-than", "400d", "--yes", "--json").stdout)["deleted_hours"] == 1
