"""From a landed event to a held draft, each step by the service that does it, under its role: nothing that it needs is
refused, as Postgres' own log says, and what it does not need is refused on the very rows that it made."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Any

import psycopg
import pytest
from stripe_side import TEST_KEY, StripeSide, local_stripe

from dagster_project.lib.alert_watch import AlertWatch
from dagster_project.resident_loop import run_loop
from tally import configuration, dagster_home
from tally.database import connect
from tally.embedded_postgres import EmbeddedPostgres
from tally.planner_statistics import renew_statistics
from tally.settings import Settings, load_settings

Url = Callable[[str], str]
START = datetime(2024, 3, 1, 8, 30, 15, tzinfo=UTC)
END = datetime(2024, 4, 1, 8, 30, 15, tzinfo=UTC)
NOW = datetime(2024, 3, 20, 12, tzinfo=UTC)
MAPPED = {"metric": "api_calls", "aggregation": "sum", "stripe": {"event_name": "api_calls"}}
DECLARED = {"tenants": [{"id": "billed", "name": "Billed", "meters": [MAPPED]}]}
LAND = """
insert into raw.usage_events (tenant_id, idempotency_key, customer_ref, metric, quantity, event_time, landed_at)
values ('billed', 'a', 'globex', 'api_calls', 25, %(at)s, %(at)s)
"""
MANY_PERIODS = """
insert into tally.customer_periods (tenant_id, customer_ref, period_start, period_end, origin)
select 'billed', 'c' || number, '2024-03-01Z', '2024-04-01Z', 'stripe' from generate_series(1, 2000) as number
"""
REFUSED = {
    "tally_door": (
        "select from tally.invoice_holds",
        "select from tally.stripe_totals",
        "select tally.analyze_table('tally.tenants')",
    ),
    "tally_loop": (
        "delete from tally.push_intents",
        "insert into tally.invoice_holds select * from tally.invoice_holds",
        "update tally.stripe_totals set customer_ref = ''",
        "insert into tally.report_runs default values",
        "select tally.analyze_table('tally.tenants')",
        "drop table tally.push_intents",
    ),
    "tally_dagster": (
        "insert into raw.usage_events select * from raw.usage_events",
        "update tally.report_lines set customer_ref = ''",
        "delete from tally.report_runs",
        "update tally.invoice_line_proofs set customer_ref = ''",
        "update tally.tenants set late_ratio = 1",
        "insert into tally.price_mappings select * from tally.price_mappings",
        "alter table tally.push_intents disable trigger all",
        "lock table tally.tenants in access exclusive mode",
        "select secret_hash from tally.api_keys",
        "delete from tally_schema.migrations",
        "create role mine",
        "set role tally_admin",
    ),
    "tally_reader": (
        "update tally.invoice_holds set state = 'released'",
        "select tally.analyze_table('tally.tenants')",
        "select from dagster.runs",
    ),
}


@pytest.fixture
def stripe(tmp_path: Path) -> Iterator[StripeSide]:
    with local_stripe(tmp_path) as side:
        yield side


@pytest.fixture
def as_service(
    url_of: Url, stripe: StripeSide, dbt_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], Settings]]:
    """This process becomes one of a role's: its environment is the one that such a service is given."""
    (tmp_path / "dbt").symlink_to(dbt_folder)

    def become(role: str) -> Settings:
        settings = stripe.settings(url_of(role), tmp_path)
        variables = dagster_home.prepare(settings, url_of(role)) | {"TALLY_CLOCK": "simulated"}
        variables |= {"STRIPE_API_KEY": TEST_KEY, "STRIPE_API_BASE": stripe.url, "TALLY_TICK_SECONDS": "0.1"}
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        load_settings.cache_clear()
        return load_settings()

    yield become
    load_settings.cache_clear()


def test_the_whole_chain_runs_under_the_roles_and_they_can_do_no_more(
    owner: psycopg.Connection[Any],
    url_of: Url,
    postgres: EmbeddedPostgres,
    stripe: StripeSide,
    as_service: Callable[[str], Settings],
) -> None:
    clock = stripe.test_clock(START)
    stripe.meter("api_calls")
    customer = stripe.customer("globex", clock)
    stripe.subscribe(customer, "api_calls")
    owner.execute("insert into tally.simulated_clock (now) values (%s)", (NOW,))
    stripe.advance(clock, NOW)
    with nothing_refused(postgres):
        with connect(url_of("tally_admin"), autocommit=True) as admin:
            configuration.apply(admin, configuration.Configuration.model_validate(DECLARED))
        with connect(url_of("tally_door"), autocommit=True) as door:
            door.execute(LAND, {"at": NOW - timedelta(hours=1)})
        run_the_loop(as_service("tally_loop"), owner)
        assert one(owner, "select sum(value) from marts.usage_counters where tenant_id = 'billed'") == 25

        as_service("tally_dagster")
        run_green("push", "reconcile", "check_usage", "handle_webhooks")
        assert stripe.applied() == {(customer, "api_calls"): 25}
        # Somebody else's usage on the meter: the period ends with a draft that has to be held.
        stripe.send(customer, "api_calls", "7", NOW, "not-ours")
        owner.execute("update tally.simulated_clock set now = %s", (END + timedelta(minutes=50),))
        stripe.until_applied()
        stripe.advance(clock, END + timedelta(minutes=50))
        run_green("period_close")
        assert one(owner, "select array_agg(state) from tally.invoice_holds") == ["held"]
        assert one(owner, "select count(*) > 0 from tally.report_lines where tenant_id = 'billed'")

        # What reconciling joins is analyzed, also where Dagster's role does not own it.
        owner.execute("alter table tally.customer_periods set (autovacuum_enabled = off)")
        owner.execute(MANY_PERIODS)
        with connect(url_of("tally_dagster"), autocommit=True) as connection:
            renew_statistics(connection)
        assert one(owner, "select reltuples from pg_class where oid = 'tally.customer_periods'::regclass") >= 2000

    for role, statements in REFUSED.items():
        with connect(url_of(role), autocommit=True) as connection:
            for statement in statements:
                with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction(force_rollback=True):
                    connection.execute(statement.encode())
    with connect(url_of("tally_dagster"), autocommit=True) as connection, pytest.raises(psycopg.errors.RaiseException):
        connection.execute("select tally.analyze_table('pg_catalog.pg_class')")


@contextmanager
def nothing_refused(postgres: EmbeddedPostgres) -> Iterator[None]:
    """What is refused and only logged, or passed over with a warning, stands in the server's log too."""
    log = postgres.folder / "postgres.log"
    begins = log.stat().st_size
    yield
    said = log.read_bytes()[begins:].decode().splitlines()
    assert [line for line in said if "permission denied" in line or "must be owner" in line] == []


def run_the_loop(settings: Settings, owner: psycopg.Connection[Any]) -> None:
    """Until it has looked periods up, counted, and told Dagster; and it looks out for alerts."""
    stop = Event()
    loop = Thread(target=run_loop, args=(settings, stop))
    loop.start()
    try:
        told, waited_until = "select to_regclass('dagster.event_logs') is not null", time.monotonic() + 120
        while not (one(owner, told) and one(owner, "select count(*) > 0 from dagster.event_logs")):
            assert loop.is_alive()
            assert time.monotonic() < waited_until
            time.sleep(0.05)
    finally:
        stop.set()
        loop.join()
    assert one(owner, "select (ticks > 0, failures, last_error)::text from tally.loop_heartbeat") == "(t,0,)"
    assert one(owner, "select count(*) from tally.customer_periods where customer_ref = 'globex'") > 0
    assert AlertWatch(settings, stop).look()


def run_green(*jobs: str) -> None:
    # Imported here: loading definitions reads the settings, which are the service's by now.
    from dagster_project.materialize import Materializer

    with Materializer() as materializer:
        for job in jobs:
            ran = materializer.run(job, "2024-03" if job == "reconcile" else None)
            assert (ran.success, ran.errors) == (True, ()), job


def one(connection: psycopg.Connection[Any], query: str) -> Any:
    row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]
