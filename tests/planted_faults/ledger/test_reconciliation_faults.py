"""A wrong delta, a lost event and a double push, each of one unit, are breaks; the clean control is ok."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from tally.clock import FixedClock
from tally.database import connect
from tally.ledger import Ledger
from tally.reconciliation.amounts import price_lines

DECLARE = """
    insert into tally.tenants (tenant_id, name) values ('newark', 'Newark');
    insert into tally.meters (tenant_id, metric, aggregation) values ('newark', 'departures', 'count');
    insert into tally.price_mappings (tenant_id, metric, event_name, price) values (
        'newark', 'departures', 'departures', '{"model": "per_unit", "currency": "usd", "unit_price": "1.85"}'
    );
    insert into tally.stripe_totals (
        tenant_id, account, livemode, customer_ref, metric, period_start, period_end,
        summary_quantity, summary_read_at, invoice_id, invoice_line_id, invoice_status, invoice_quantity,
        invoice_amount, invoice_currency, invoice_read_at
    ) values (
        'newark', 'self', false, 'UA', 'departures', '2013-01-01', '2013-02-01',
        1000, '2013-02-01', 'in_1', 'il_1', 'draft', 1000,
        185000, 'usd', '2013-02-01'
    )
"""
LAND = """
    insert into raw.usage_events (tenant_id, idempotency_key, customer_ref, metric, quantity, event_time, landed_at)
    select 'newark', 'flight-' || number, 'UA', 'departures', 1, '2013-01-10', '2013-01-11'
    from generate_series(1, 1000) as number
"""
TELL = """
    insert into tally.push_intents (
        tenant_id, account, livemode, customer_ref, metric, period_start, period_end, seq, value, counter_value,
        event_name, stripe_customer_id, event_ts, identifier, state, planned_at, confirmed_at, confirmed_by
    ) values (
        'newark', 'self', false, 'UA', 'departures', '2013-01-01', '2013-02-01', %(seq)s, %(value)s, 1000,
        'departures', 'cus_1', '2013-01-20', 'tl1.' || %(seq)s, 'confirmed', '2013-01-20', '2013-01-20', 'answer'
    )
"""


@pytest.fixture
def database(built_database_url: str, dbt_folder: Path) -> Iterator[psycopg.Connection]:
    """A thousand departures counted, confirmed by Stripe and on the invoice."""
    with connect(built_database_url, autocommit=True) as connection:
        connection.execute(DECLARE)
        connection.execute(LAND)
        told(connection, 1000)
        Ledger(built_database_url, dbt_folder).tick()
        yield connection


def told(connection: psycopg.Connection, value: int, seq: int = 1) -> None:
    """A confirmed delta of `value`."""
    connection.execute(TELL, {"seq": seq, "value": value})


def test_the_clean_control_is_ok(database: psycopg.Connection) -> None:
    assert verdicts(database) == [("ok", "ok", "ok", "ok", 0, None)]


def test_a_wrong_delta_of_one_unit_breaks_integrity(database: psycopg.Connection) -> None:
    told(database, 1, seq=2)
    stripe_reads(database, 1001)
    assert verdicts(database) == [("break", "ok", "ok", "break", 1, "unsent delta")]


def test_one_lost_event_breaks_integrity(database: psycopg.Connection) -> None:
    database.execute("update ledger.int_usage_counters set event_count = 999")
    assert verdicts(database) == [("break", "ok", "ok", "break", 1, "lost event")]


def test_one_unit_lost_on_the_way_breaks_delivery(database: psycopg.Connection) -> None:
    stripe_reads(database, 999)
    assert verdicts(database) == [("ok", "break", "ok", "break", 1, "Stripe lag")]


def test_one_unit_pushed_twice_breaks_delivery(database: psycopg.Connection) -> None:
    stripe_reads(database, 1001)
    assert verdicts(database) == [("ok", "break", "ok", "break", 1, "foreign writer")]


def test_totals_that_were_never_read_are_missing_and_not_zero(database: psycopg.Connection) -> None:
    database.execute("update tally.stripe_totals set summary_quantity = null, invoice_quantity = null")
    assert verdicts(database) == [("ok", "missing", "missing", "missing", 0, "summary not read")]


def test_two_models_of_one_tick_are_not_compared_between_their_commits(database: psycopg.Connection) -> None:
    database.execute("update marts.usage_deliveries set deliveries = 1001, events = 1001, counted_events = 1001")
    assert verdicts(database)[0][5] == "lost event"
    database.execute(
        "update tally.model_bounds set read_to = '18446744073709551615' where model = 'marts.usage_deliveries'"
    )
    assert verdicts(database) == [("ok", "ok", "ok", "ok", 0, None)]


def stripe_reads(database: psycopg.Connection, quantity: int) -> None:
    """What the meter summary says; the invoice is billed from it."""
    database.execute(
        "update tally.stripe_totals set summary_quantity = %s, invoice_quantity = %s, invoice_amount = %s",
        (quantity, quantity, 185 * quantity),
    )


def verdicts(database: psycopg.Connection) -> list[tuple[object, ...]]:
    price_lines(database, "newark", FixedClock(datetime(2013, 2, 1, tzinfo=UTC)))
    return database.execute(
        "select integrity_verdict, delivery_verdict, business_verdict, verdict, drift, split_part(cause, ':', 1)"
        " from marts.reconciliation_lines"
    ).fetchall()
