"""A month of two customers of an online shop for maps, billed and proven; one of them will ask to be forgotten."""

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from stripe_side import StripeSide

from tally.clock import FixedClock
from tally.ledger import Ledger
from tally.proof import record_final_lines
from tally.push import push
from tally.reconciliation.check import Scope, check
from tally.reports.keeping import make_report
from tally.retention import days_older_than, detach
from tally.settings import Settings
from tally.stripe.sync import sync_subscriptions

TENANT, JANE, OTHER = "acme", "jane.doe@example.org", "initech"
# What her events say of her, and nobody else's do.
PERSONAL = ("jane-laptop", "jane-phone", "Rue de Jane 7", "jane-team", "Zürich-Jane")
START, END = datetime(2024, 3, 1, 5, tzinfo=UTC), datetime(2024, 4, 1, 5, tzinfo=UTC)
MONTH = (datetime(2024, 3, 1, tzinfo=UTC), datetime(2024, 4, 1, tzinfo=UTC))
BILLED = END + timedelta(days=5)
ARCHIVED = date(2024, 3, 2)
# metric: aggregation, property, filter, dimensions
METERS: dict[str, tuple[str, str | None, str, list[str]]] = {
    "calls": ("count", None, '{"region": ["eu", "us"]}', ["team", "region"]),
    "gigabytes": ("sum", "gb", "{}", []),
    "devices": ("unique", "device", "{}", ["team"]),
}


@dataclass
class BilledMonth:
    """Everything that was landed, counted, pushed, invoiced, proven and reported."""

    connection: psycopg.Connection[Any]
    url: str
    ledger: Ledger
    stripe: StripeSide
    settings: Settings
    clock: FixedClock
    home: Path

    def rows(self, query: str, **parameters: Any) -> list[tuple[Any, ...]]:
        return self.connection.execute(query.encode(), parameters).fetchall()


def land(connection: psycopg.Connection[Any], key: str, customer: str, metric: str, day: int, **more: Any) -> None:
    """An event of a day in March that landed an hour later; `properties`, `quantity` and `landed_at` may be given."""
    at = START + timedelta(days=day)
    connection.execute(
        "insert into raw.usage_events"
        " (tenant_id, idempotency_key, customer_ref, metric, quantity, event_time, properties, landed_at)"
        " values (%s, %s, %s, %s, %s, %s, %s, %s)",
        (TENANT, key, customer, metric, more.get("quantity", "1"), at, more.get("properties", "{}"),
         more.get("landed_at", at + timedelta(hours=1))),
    )  # fmt: skip


def declare(month: BilledMonth) -> str:
    """Tenant, meters, prices and subscriptions; returns Stripe's test clock."""
    connection, stripe = month.connection, month.stripe
    connection.execute("select tally.ensure_partitions('2024-03-01', '2024-04-12')")
    connection.execute("insert into tally.tenants (tenant_id, name) values (%s, 'Acme Maps')", (TENANT,))
    connection.execute("insert into tally.customers values (%s, %s, 'Jane Doe')", (TENANT, JANE))
    test_clock = stripe.test_clock(START)
    for metric, (aggregation, measured, condition, dimensions) in METERS.items():
        connection.execute(
            "insert into tally.meters (tenant_id, metric, aggregation, property, filter, dimensions)"
            " values (%s, %s, %s, %s, %s, %s)",
            (TENANT, metric, aggregation, measured, condition, dimensions),
        )
        connection.execute("insert into tally.price_mappings values (%s, %s, %s)", (TENANT, metric, metric))
        stripe.meter(metric)
    for customer in (JANE, OTHER):
        stripe.subscribe(stripe.customer(customer, test_clock), *METERS)
    sync_subscriptions(connection, stripe.account, TENANT, month.clock)
    return test_clock


def land_half(month: BilledMonth, first_day: int) -> None:
    """Three days of usage: what the meters count, filter out, and measure."""
    for customer, device, team in ((JANE, "jane-laptop", "jane-team"), (OTHER, "router", "ops")):
        for day in range(first_day, first_day + 3):
            key = f"{'j' if customer == JANE else 'i'}-{day}"
            region = "eu" if day % 3 else "Zürich-Jane" if customer == JANE else "elsewhere"
            said = f'{{"region": "{region}", "team": "{team}", "address": "Rue de Jane 7"}}'
            other = "jane-phone" if customer == JANE else "printer"
            land(month.connection, f"{key}-c", customer, "calls", day, properties=said if customer == JANE else
                 f'{{"region": "{region}", "team": "{team}"}}')  # fmt: skip
            land(month.connection, f"{key}-g", customer, "gigabytes", day,
                 properties=f'{{"gb": 12.50, "file": "{device}"}}')  # fmt: skip
            land(month.connection, f"{key}-d", customer, "devices", day,
                 properties=f'{{"device": "{device if day % 2 else other}", "team": "{team}"}}')  # fmt: skip


def bill(month: BilledMonth) -> None:
    """Two halves with a push after each; Stripe's invoices final, the lines proven and reported; a day archived."""
    connection, stripe, clock = month.connection, month.stripe, month.clock
    test_clock = declare(month)
    for first_day in (1, 12):
        land_half(month, first_day)
        month.ledger.tick()
        clock.at = START + timedelta(days=first_day + 5)
        stripe.advance(test_clock, clock.at)
        push(month.settings, stripe.account, TENANT, clock)
    # A repeat, a repeat that says something else and was decided about, and one that comes too late.
    land(connection, "j-13-g", JANE, "gigabytes", 13, properties='{"file": "jane-laptop", "gb": 12.50}')
    land(connection, "j-14-g", JANE, "gigabytes", 14, properties='{"gb": 99, "file": "jane-phone"}')
    land(connection, "j-late", JANE, "calls", 14, landed_at=END + timedelta(days=3), properties='{"region": "eu"}')
    month.ledger.tick()
    connection.execute(
        "insert into tally.conflict_decisions (tenant_id, idempotency_key, xid, seq, decision, note, decided_at,"
        " decided_by)"
        " select tenant_id, idempotency_key, xid, seq, 'keep_first', 'asked jane.doe@example.org, a typo', %s, 'ada'"
        " from ledger.int_usage_events_conflicts",
        (clock.at,),
    )
    stripe.until_applied()
    clock.at = BILLED
    stripe.advance(test_clock, BILLED)
    for _ in range(2):
        sync_subscriptions(connection, stripe.account, TENANT, clock)
        check(connection, [stripe.account], TENANT, clock, Scope(MONTH, everything=True))
        make_report(connection, TENANT, clock, MONTH)
        clock.at += timedelta(hours=1)
    record_final_lines(connection, TENANT, clock, MONTH)
    connection.execute(
        "insert into tally.push_attempts (intent_id, attempt, idempotency_key, started_at, outcome, error)"
        " select intent_id, 9, 'x', %s, 'unsent', 'no such customer: \"' || customer_ref || '\"'"
        " from tally.push_intents where customer_ref = %s limit 1",
        (clock.at, JANE),
    )
    # As Dagster keeps what a run said: JSON as text.
    connection.execute("create schema dagster")
    connection.execute("create table dagster.event_logs (id bigint primary key, event text)")
    said = json.dumps({"text": json.dumps({"worst": f"|{JANE}|", "said": f"first\n{JANE} breaks"})})
    connection.execute("insert into dagster.event_logs values (1, %s)", (said,))
    old = days_older_than(connection, timedelta(days=30), clock.at)
    [gone] = detach(connection, [day for day in old if day.day == ARCHIVED], clock.at)
    assert gone.deliveries == 2 * len(METERS)
