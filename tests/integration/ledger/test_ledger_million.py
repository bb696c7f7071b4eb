"""Dedupe has no horizon: the first of a million events, sent again after all the others, still counts once."""

import time
from decimal import Decimal

import psycopg
import pytest
from landing import Delivery, land, value

from tally.ledger import Ledger

MANY = """
    insert into raw.usage_events (tenant_id, idempotency_key, customer_ref, metric, quantity, event_time, landed_at)
    select 'newark', 'event-' || number, 'UA', 'sum', 1,
        timestamptz '2013-01-10 00:00+00' + number * interval '1 second', timestamptz '2013-01-22 00:00+00'
    from generate_series(1, %s) as number
"""

OTHER_SESSIONS = """
    select pid from pg_stat_activity
    where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()
"""


@pytest.mark.thorough
def test_an_event_sent_again_after_a_million_others_counts_once(ledger: Ledger, database: psycopg.Connection) -> None:
    first = Delivery("the first", Decimal("0.5"))
    land(database, [first])
    ledger.tick()
    database.execute(MANY, (1_000_000,))
    assert ledger.tick().new_events == 1_000_000
    land(database, [first, Delivery("event-1", event_time=first.event_time)])
    tick = ledger.tick()
    assert tick.new_events == 0
    assert value(database) == Decimal("1000000.5")
    counts = database.execute("select deliveries, events, duplicates, conflicts from marts.usage_deliveries").fetchone()
    assert counts == (1_000_003, 1_000_001, 1, 1), (
        "event-1 came back with another event time: a conflict, not a duplicate"
    )


def test_a_tick_does_not_read_the_history(ledger: Ledger, database: psycopg.Connection) -> None:
    """Postgres itself counts the rows that scans return: a small batch on a large ledger reads few."""
    database.execute(MANY, (50_000,))
    ledger.tick()
    database.execute("analyze")
    before = rows_read(database)
    land(database, [Delivery(f"new-{number}") for number in range(100)])
    ledger.tick()
    assert 100 < rows_read(database) - before < 5_000


def rows_read(database: psycopg.Connection) -> int:
    """Rows that scans of raw, ledger and mart tables have returned so far.

    A session reports what it read when it ends, at the latest; so those of the last tick are waited for.
    """
    while database.execute(OTHER_SESSIONS).fetchone():
        time.sleep(0.05)
    database.execute("select pg_stat_clear_snapshot()")
    row = database.execute(
        "select sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint from pg_stat_user_tables"
        " where schemaname in ('raw', 'ledger', 'marts')"
    ).fetchone()
    assert row is not None
    return int(row[0])
