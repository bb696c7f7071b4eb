"""The resident loop as a real process: what lands is counted within seconds, whatever breaks meanwhile."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from loop_process import running_loop
from orchestration import Stack, declare, land

from tally.database import connect
from tally.embedded_postgres import EmbeddedPostgres
from tally.loop_heartbeat import loop_is_running, loop_state
from tally.migrations import migrate

# Each test starts a process or two, which import dbt and Dagster; on a busy machine that takes minutes.
pytestmark = pytest.mark.timeout(600)

SOON = 60.0  # seconds; a tick takes half of one, but the machine may be busy


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, dbt_folder: Path) -> Path:
    """One home for all, in which the dbt project was parsed before."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "dbt").symlink_to(dbt_folder)
    return folder


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "loop.log"


def counted(connection: psycopg.Connection) -> Decimal:
    row = connection.execute("select coalesce(sum(value), 0) from marts.usage_counters").fetchone()
    assert row is not None
    return Decimal(row[0])


def told(connection: psycopg.Connection, asset: str) -> list[dict[str, Any]]:
    """The metadata numbers of every materialization of `asset` in Dagster's event log, oldest first."""
    if connection.execute("select to_regclass('dagster.event_logs')").fetchone() == (None,):
        return []
    rows = connection.execute(
        "select event::jsonb #> '{dagster_event,event_specific_data,materialization,metadata_entries}'"
        " from dagster.event_logs where dagster_event_type = 'ASSET_MATERIALIZATION' and asset_key = %s order by id",
        (asset,),
    ).fetchall()
    return [{entry["label"]: entry["entry_data"].get("value") for entry in entries} for (entries,) in rows]


def test_what_lands_is_counted_and_dagster_is_told(
    built_database_url: str, built_connection: psycopg.Connection, home: Path, log: Path
) -> None:
    with running_loop(built_database_url, home, log) as loop:
        loop.until_ticking(built_connection)
        land(built_connection, "a", "b", "a")
        loop.until(lambda: counted(built_connection) == 2, SOON)
        # The first tick is told at once, the rest at the end.
        loop.until(lambda: told(built_connection, '["marts", "usage_counters"]') != [])
        assert loop.terminate() == 0
    state = loop_state(built_connection)
    assert state is not None
    assert state.stopped_at is not None
    assert not state.is_running
    reports = told(built_connection, '["ledger", "int_usage_events_deduplicated"]')
    sums = {name: sum(report[name] for report in reports) for name in ("events", "duplicates", "late", "conflicts")}
    assert sums == {"events": 2, "duplicates": 1, "late": 0, "conflicts": 0}
    assert sum(report["ticks"] for report in reports) == state.ticks
    assert all(0 < report["tick seconds, median"] <= report["tick seconds, worst"] for report in reports)
    counters = told(built_connection, '["ledger", "int_usage_counters"]')
    assert sum(report["rows written"] for report in counters) == 1
    # Each table after those it reads, else Dagster calls it "unsynced".
    materialized = (
        "select asset_key from dagster.event_logs where dagster_event_type = 'ASSET_MATERIALIZATION' order by id"
    )
    order = ["/".join(json.loads(key)) for (key,) in built_connection.execute(materialized)]
    chain = ("staging/stg_usage_events", "ledger/int_usage_events_deduplicated", "ledger/int_usage_counters")
    assert list(chain) == sorted(chain, key=order.index)
    observed = "select count(*) from dagster.event_logs where dagster_event_type = 'ASSET_OBSERVATION'"
    assert built_connection.execute(observed).fetchone() == (len(reports),)


def test_killed_in_the_middle_it_loses_nothing_and_the_next_one_goes_on(
    built_database_url: str, built_connection: psycopg.Connection, home: Path, log: Path
) -> None:
    with running_loop(built_database_url, home, log) as loop:
        loop.until_ticking(built_connection)
        for number in range(20):
            land(built_connection, *(f"{number}-{each}" for each in range(10)))
        loop.until(lambda: counted(built_connection) > 0, SOON)
        land(built_connection, *(f"during-{each}" for each in range(10)))
        loop.kill()
        died = loop_state(built_connection)
        assert died is not None
        assert died.died
    land(built_connection, "while none runs")
    with running_loop(built_database_url, home, log) as loop:
        loop.until(lambda: counted(built_connection) == 211)
        assert loop.terminate() == 0


def test_a_second_loop_waits_says_so_and_takes_over(
    built_database_url: str, built_connection: psycopg.Connection, home: Path, log: Path, tmp_path: Path
) -> None:
    with (
        running_loop(built_database_url, home, log) as first,
        running_loop(built_database_url, home, tmp_path / "second.log") as second,
    ):
        loops = {first.pid: first, second.pid: second}

        def running() -> int:
            state = loop_state(built_connection)
            return int(state.process.rsplit(":")[-1]) if state and state.is_running and state.ticks else 0

        first.until(lambda: running() != 0)
        holder = loops.pop(running())
        (waiting,) = loops.values()
        waiting.until(lambda: "another loop" in waiting.log and "waiting, to take over" in waiting.log)
        holder.kill()
        waiting.until_ticking(built_connection)
        land(built_connection, "a")
        waiting.until(lambda: counted(built_connection) == 1, SOON)
        assert waiting.terminate() == 0


def test_a_failing_model_is_said_and_the_loop_goes_on_once_it_is_mended(
    built_database_url: str, built_connection: psycopg.Connection, home: Path, log: Path
) -> None:
    with running_loop(built_database_url, home, log) as loop:
        loop.until_ticking(built_connection)
        built_connection.execute(
            "alter table ledger.int_usage_counters add constraint no_poison check (customer_ref <> 'poison')"
        )
        land(built_connection, "a", customer="poison")

        def has_failed_twice() -> bool:
            state = loop_state(built_connection)
            return state is not None and state.failures >= 2 and "no_poison" in (state.last_error or "")

        loop.until(has_failed_twice)
        built_connection.execute("alter table ledger.int_usage_counters drop constraint no_poison")
        loop.until(lambda: counted(built_connection) == 1)
        loop.until(lambda: "well again" in loop.log, SOON)
        assert loop.terminate() == 0


@pytest.mark.thorough
def test_a_broken_dagster_storage_stops_no_tick(
    built_database_url: str, built_connection: psycopg.Connection, home: Path, log: Path
) -> None:
    # Dagster keeps its tables in a schema of this name; here it may not make any.
    built_connection.execute("create schema dagster; create view dagster.event_logs as select 1 as id")
    with running_loop(built_database_url, home, log) as loop:
        loop.until_ticking(built_connection)
        loop.until(lambda: "were not reported" in loop.log)
        land(built_connection, "a")
        loop.until(lambda: counted(built_connection) == 1, SOON)
        assert loop.terminate() == 0


@pytest.mark.thorough
def test_a_postgres_that_restarts_is_found_again(home: Path, log: Path, tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "postgres")
    url = server.ensure_running()
    try:
        with connect(url, autocommit=True) as connection:
            migrate(connection)
            declare(connection)
            with running_loop(url, home, log) as loop:
                loop.until_ticking(connection)
                server.stop()
                loop.until(lambda: "turn failed" in loop.log)
                assert server.ensure_running() == url
                with connect(url, autocommit=True) as again:
                    land(again, "a")
                    loop.until(lambda: counted(again) == 1)
                    assert loop_is_running(again)
                    assert loop.terminate() == 0
    finally:
        server.stop()


def test_an_unknown_billed_customer_is_looked_up_before_its_events_are_dated(
    stack: Stack, home: Path, log: Path
) -> None:
    with running_loop(stack.url, home, log) as loop:
        loop.until_ticking(stack.connection)
        with stack.connection.transaction():
            stack.land("a")
            stack.land("b", customer="hooli")
        loop.until(lambda: counted(stack.connection) == 2)
        # Known to Stripe: its own period. Unknown to it: the calendar month, and the log says so.
        starts = "select customer_ref, period_start::text from marts.usage_counters order by 1"
        assert stack.connection.execute(starts).fetchall() == [
            ("globex", "2024-03-01 08:30:15+00"),
            ("hooli", "2024-03-01 00:00:00+00"),
        ]
        assert "re-dates them: acme/hooli" in loop.log
        loop.until(lambda: "told Dagster" in loop.log)
        assert loop.terminate() == 0
    assert told(stack.connection, '["tally", "customer_periods"]') != []
