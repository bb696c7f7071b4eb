"""`tally backup` and `tally restore`, from one embedded Postgres to another: a billed month is still in parity."""

import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from stripe_side import StripeSide, local_stripe
from tally_command import run_tally

from tally.clock import FixedClock
from tally.database import connect
from tally.ledger import Ledger
from tally.push import adopt, push, resume
from tally.reconciliation import read_lines
from tally.reconciliation.check import Scope, check
from tally.stripe.sync import sync_subscriptions

START = datetime(2024, 3, 1, 5, tzinfo=UTC)
NOW = datetime(2024, 3, 20, 12, tzinfo=UTC)


def tally(url: str, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run_tally({"DATABASE_URL": url, "TALLY_HOME": str(home)}, *arguments)


def land(connection: psycopg.Connection[Any], key: str, quantity: str) -> None:
    at = START + timedelta(days=9)
    connection.execute(
        "insert into raw.usage_events"
        " (tenant_id, idempotency_key, customer_ref, metric, quantity, event_time, landed_at)"
        " values ('acme', %s, 'globex', 'minutes', %s, %s, %s)",
        (key, quantity, at, at + timedelta(hours=1)),
    )


def reconciled(connection: psycopg.Connection[Any], stripe: StripeSide) -> list[tuple[str, Decimal | None]]:
    stripe.until_applied()
    check(connection, [stripe.account], "acme", FixedClock(NOW), Scope(everything=True))
    return [(line.verdict, line.invoice_quantity) for line in read_lines(connection, "acme")]


@pytest.fixture
def stripe(tmp_path: Path) -> Iterator[StripeSide]:
    with local_stripe(tmp_path) as side:
        yield side


@pytest.fixture
def billed_month(built_database_url: str, stripe: StripeSide, tmp_path: Path) -> str:
    """The URL of a database whose month is counted, pushed and in parity."""
    clock = stripe.test_clock(START)
    with connect(built_database_url, autocommit=True) as connection:
        connection.execute("insert into tally.tenants (tenant_id, name) values ('acme', 'Acme')")
        connection.execute("insert into tally.meters values ('acme', 'minutes', 'sum')")
        connection.execute("insert into tally.price_mappings values ('acme', 'minutes', 'minutes')")
        stripe.meter("minutes")
        stripe.subscribe(stripe.customer("globex", clock), "minutes")
        stripe.advance(clock, NOW)
        sync_subscriptions(connection, stripe.account, "acme", FixedClock(NOW))
        for key, quantity in (("a", "10.5"), ("b", "20"), ("a", "10.5")):
            land(connection, key, quantity)
        Ledger(built_database_url, tmp_path / "dbt").tick()
        push(stripe.settings(built_database_url, tmp_path), stripe.account, "acme", FixedClock(NOW))
        assert reconciled(connection, stripe) == [("ok", Decimal("30.5"))]
    return built_database_url


def test_a_restored_month_is_in_parity_and_goes_on(
    billed_month: str, stripe: StripeSide, empty_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "tally.backup"
    written = tally(billed_month, tmp_path, "backup", str(file), "--json")
    assert written.returncode == 0, written.stderr
    assert json.loads(written.stdout) == {"file": str(file), "size_bytes": file.stat().st_size}
    assert "raw.usage_events_default" in written.stderr
    assert file.stat().st_mode & 0o777 == 0o600

    checked = tally(empty_url, tmp_path, "restore", str(file), "--dry-run")
    assert checked.returncode == 0, checked.stderr
    done = tally(empty_url, tmp_path, "restore", str(file))
    assert done.returncode == 0, done.stderr
    assert "next: tally tick" in done.stdout

    # The first database is gone now: only one of the two may push, as the runbook says.
    with connect(empty_url, autocommit=True) as restored:
        ledger = Ledger(empty_url, tmp_path / "dbt")
        settings = stripe.settings(empty_url, tmp_path)
        arrivals = stripe.arrivals()
        assert ledger.tick().new_events == 0
        push(settings, stripe.account, "acme", FixedClock(NOW))
        assert stripe.arrivals() == arrivals
        assert reconciled(restored, stripe) == [("ok", Decimal("30.5"))]

        land(restored, "c", "4")
        land(restored, "b", "20")
        assert ledger.tick().new_events == 1
        _, stopped = push(settings, stripe.account, "acme", FixedClock(NOW))
        assert "restored from a backup" in str(stopped.stopped)
        assert adopt(restored, stripe.account, "acme", FixedClock(NOW), "", dry_run=True).lines == ()
        resume(restored, stripe.account)
        push(settings, stripe.account, "acme", FixedClock(NOW))
        assert reconciled(restored, stripe) == [("ok", Decimal("34.5"))]
        assert [test.name for test in ledger.build().failed] == []


def test_what_backup_and_restore_refuse(database_url: str, empty_url: str, tmp_path: Path) -> None:
    file = tmp_path / "tally.backup"
    assert tally(database_url, tmp_path, "backup", str(file)).returncode == 0
    cases = {
        "never overwrites": (database_url, "backup", str(file)),
        "is no folder": (database_url, "backup", str(tmp_path / "none" / "file")),
        "nothing to back up": (empty_url, "backup", str(tmp_path / "other")),
        "is not empty (door.report_lines": (database_url, "restore", str(file)),
        "no such file": (empty_url, "restore", str(tmp_path / "other")),
        "name the backup FILE, or --restamp-only": (empty_url, "restore"),
        "run `tally migrate`": (empty_url, "restore", "--restamp-only"),
    }
    for message, (url, *arguments) in cases.items():
        refused = tally(url, tmp_path, *arguments)
        assert (refused.returncode, message in refused.stderr) == (1, True), refused.stderr
    (tmp_path / "text").write_text("no backup")
    assert (
        "does not appear to be a valid archive" in tally(empty_url, tmp_path, "restore", str(tmp_path / "text")).stderr
    )


def test_nothing_is_restored_from_a_file_that_ends_early(
    database_url: str, connection: psycopg.Connection[Any], empty_url: str, tmp_path: Path
) -> None:
    connection.execute(
        "insert into raw.usage_events"
        " (tenant_id, idempotency_key, customer_ref, metric, quantity, event_time, properties)"
        " select 'acme', n, 'globex', 'minutes', n, now(), md5(n::text) || md5((n + 1)::text)"
        " from generate_series(1, 20000) as n"
    )
    whole, half = tmp_path / "whole", tmp_path / "half"
    assert tally(database_url, tmp_path, "backup", str(whole)).returncode == 0
    half.write_bytes(whole.read_bytes()[:-400_000])
    failed = tally(empty_url, tmp_path, "restore", str(half))
    assert (failed.returncode, "pg_restore failed" in failed.stderr) == (1, True), failed.stderr
    assert tally(empty_url, tmp_path, "restore", str(whole)).returncode == 0
