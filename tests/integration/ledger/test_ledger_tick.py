"""A tick reads what landed since, once; refuses what it must; and never runs beside another."""

import cProfile
import pstats
import threading
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
from landing import JANUARY, Delivery, bounds, contents, declare, land, value

from tally.database import connect
from tally.errors import DatabaseUnavailable, LedgerBusy, LedgerError
from tally.ledger import Ledger
from tally.ledger.ledger import ADVISORY_LOCK

MOST_SESSIONS = 6


def test_a_tick_counts_what_landed_and_says_what_it_did(ledger: Ledger, database: psycopg.Connection) -> None:
    land(database, [Delivery("a", Decimal("2.5")), Delivery("b", Decimal("0.25")), Delivery("a", Decimal("2.50"))])
    tick = ledger.tick()
    assert value(database) == Decimal("2.75")
    assert tick.new_events == 2
    by_model = {model.model: model for model in tick.models}
    assert by_model["int_usage_counters"].rows == 1
    assert {model.status for model in tick.models} == {"success"}
    assert by_model["int_usage_counters"].read_to == bounds(database)["ledger.int_usage_events_deduplicated"]


def test_a_second_tick_over_nothing_changes_nothing(ledger: Ledger, database: psycopg.Connection) -> None:
    land(database, [Delivery("a"), Delivery("a", Decimal(9))])
    ledger.tick()
    before = contents(database)
    tick = ledger.tick()
    assert contents(database) == before
    assert sum(model.rows for model in tick.models) == 0


def test_a_tick_connects_once_a_thread_and_not_once_a_model(ledger: Ledger, database: psycopg.Connection) -> None:
    ledger.tick()
    before = _sessions(database)
    models = len(ledger.tick().models)
    # Two of its own, dbt's main thread, its workers, and those that list the schemas.
    assert 0 < _sessions(database) - before <= MOST_SESSIONS < models


def _sessions(database: psycopg.Connection) -> int:
    row = database.execute("select sessions from pg_stat_database where datname = current_database()").fetchone()
    assert row is not None
    return int(row[0])


def test_the_first_tick_builds_a_database_that_only_has_migrations(database_url: str, dbt_folder: Path) -> None:
    with connect(database_url, autocommit=True) as connection:
        declare(connection)
        land(connection, [Delivery("a", Decimal(7))])
        tick = Ledger(database_url, dbt_folder).tick()
        assert {model.read_to for model in tick.models if model.model == "stg_usage_events"} == {None}
        assert value(connection) == 7
        assert connection.execute("select count(*) from marts.reconciliation_lines").fetchone() == (1,)


def test_an_event_counts_iff_it_landed_before_closes_at(ledger: Ledger, database: psycopg.Connection) -> None:
    closes_at = JANUARY[1] + timedelta(hours=48)
    inside = Delivery("inside", Decimal(1), landed_at=closes_at - timedelta(microseconds=1))
    land(database, [inside, Delivery("outside", Decimal(100), landed_at=closes_at)])
    ledger.tick()
    assert value(database) == 1
    assert database.execute("select idempotency_key from ledger.int_usage_events_late").fetchall() == [("outside",)]


def test_a_conflict_with_an_event_that_measures_nothing_does_not_stop_the_ledger(
    ledger: Ledger, database: psycopg.Connection
) -> None:
    first = Delivery("a", metric="scaled", properties='{"region": "eu", "bytes": "many"}')
    land(database, [first, replace(first, properties='{"region": "eu", "bytes": 5}')])
    ledger.tick()
    conflicts = "select idempotency_key, first_quantity from ledger.int_usage_events_conflicts"
    assert database.execute(conflicts).fetchall() == [("a", None)]


def test_a_meter_changed_after_the_fact_leaves_dated_events_alone(ledger: Ledger, database: psycopg.Connection) -> None:
    land(database, [Delivery("a", landed_at=JANUARY[1] + timedelta(hours=47))])
    ledger.tick()
    dated = """
        select period_start, period_end, closes_at, outcome
        from ledger.int_usage_events_deduplicated
        where idempotency_key = 'a'
    """
    before = database.execute(dated).fetchone()
    database.execute("update tally.meters set lateness_window = '1 hour'")
    database.execute(
        "insert into tally.customer_periods values ('newark', 'UA', '2013-01-09', '2013-01-20', 'stripe')",
    )
    land(database, [Delivery("b", Decimal(5))])
    ledger.tick()
    assert database.execute(dated).fetchone() == before
    assert value(database) == 1


def test_events_of_undeclared_metrics_are_kept_and_reported(ledger: Ledger, database: psycopg.Connection) -> None:
    land(database, [Delivery("a", Decimal(3), metric="surprise"), Delivery("b", tenant="nobody")])
    build = ledger.build()
    assert [test.name for test in build.failed] == ["assert_every_event_is_metered"]
    assert build.failed[0].failures == 2
    assert database.execute("select count(*) from marts.usage_counters").fetchone() == (0,)
    database.execute("insert into tally.meters (tenant_id, metric, aggregation) values ('newark', 'surprise', 'sum')")
    land(database, [Delivery("c", Decimal(4), metric="surprise")])
    ledger.tick()
    assert value(database, "surprise") == 4, "what was read before the meter was declared waits for a replay"
    ledger.refresh()
    assert value(database, "surprise") == 7


def test_a_second_runner_waits_or_says_so(
    ledger: Ledger, database: psycopg.Connection, built_database_url: str
) -> None:
    land(database, [Delivery("a")])
    done = threading.Event()

    def tick() -> None:
        ledger.tick()
        done.set()

    with connect(built_database_url, autocommit=True) as other:
        other.execute("select pg_advisory_lock(%s)", (ADVISORY_LOCK,))
        with pytest.raises(LedgerBusy, match="another ledger runner"):
            ledger.tick(wait=False)
        thread = threading.Thread(target=tick)
        thread.start()
        assert not done.wait(0.5)
    thread.join(30)
    assert done.is_set()
    assert value(database) == 1


def test_a_restored_database_is_refused_until_it_is_stamped_anew(ledger: Ledger, database: psycopg.Connection) -> None:
    land(database, [Delivery("a")])
    ledger.tick()
    database.execute("update tally.model_bounds set system_identifier = '1'")
    land(database, [Delivery("b")])
    before = contents(database)
    with pytest.raises(LedgerError, match=r"cluster 1, but this is cluster \d+: the database was restored"):
        ledger.tick()
    assert contents(database) == before


def test_a_failing_model_rolls_back_alone_and_the_next_tick_goes_on(
    ledger: Ledger, database: psycopg.Connection
) -> None:
    ledger.tick()
    database.execute("alter table ledger.int_usage_counters add constraint no_big_sums check (quantity_sum < 10)")
    land(database, [Delivery("a", Decimal(10))])
    before = bounds(database)["ledger.int_usage_counters"]
    with pytest.raises(LedgerError, match=r"usage_counters.*no_big_sums"):
        ledger.tick()
    assert bounds(database)["ledger.int_usage_counters"] == before
    assert bounds(database)["ledger.int_usage_events_deduplicated"] > before
    database.execute("alter table ledger.int_usage_counters drop constraint no_big_sums")
    ledger.tick()
    assert value(database) == 10


def test_a_table_that_left_its_contract_is_refused_then_rebuilt(ledger: Ledger, database: psycopg.Connection) -> None:
    land(database, [Delivery("a", Decimal("1.5"))])
    ledger.tick()
    before = contents(database)
    database.execute("alter table ledger.int_usage_counters add column surprise integer")
    with pytest.raises(LedgerError, match=r"no longer has the columns of its contract.*--full-refresh"):
        ledger.tick()
    ledger.build(full_refresh=True)
    assert contents(database) == before


def test_a_lost_bound_rebuilds_instead_of_counting_twice(ledger: Ledger, database: psycopg.Connection) -> None:
    land(database, [Delivery("a"), Delivery("a"), Delivery("b", Decimal(2))])
    ledger.tick()
    before = contents(database)
    database.execute("delete from tally.model_bounds where model = 'ledger.int_usage_counters'")
    ledger.tick()
    assert contents(database) == before


def test_an_unreachable_database_is_named(dbt_folder: Path) -> None:
    with pytest.raises(DatabaseUnavailable, match=r"127\.0\.0\.1:1/nowhere"):
        Ledger("postgresql://u:p@127.0.0.1:1/nowhere", dbt_folder).tick()


def test_a_later_tick_does_no_more_than_an_earlier_one(ledger: Ledger) -> None:
    """A resident loop ticks for months: what dbt does at a tick may not grow with the ticks before it."""
    early = calls_of(ledger)
    for _ in range(10):
        ledger.tick()
    assert calls_of(ledger) < 1.02 * early


def calls_of(ledger: Ledger) -> int:
    """Function calls of this thread during one tick."""
    ledger.tick()
    profile = cProfile.Profile()
    profile.runcall(ledger.tick)
    calls: int = pstats.Stats(profile).total_calls  # type: ignore[attr-defined]
    return calls
