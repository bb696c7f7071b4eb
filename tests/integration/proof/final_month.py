"""A month of three metrics and two customers, from landed events to final invoices, with a bit of everything in it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from stripe_side import StripeSide

from tally.clock import FixedClock
from tally.ledger import Ledger
from tally.push import push
from tally.settings import Settings
from tally.stripe.sync import sync_subscriptions
from tally.stripe.totals import read_totals

TENANT = "acme"
START = datetime(2024, 3, 1, 5, tzinfo=UTC)
END = datetime(2024, 4, 1, 5, tzinfo=UTC)
MONTH = (datetime(2024, 3, 1, tzinfo=UTC), datetime(2024, 4, 1, tzinfo=UTC))
BILLED = END + timedelta(days=5)
METERS = {"calls": "count", "minutes": "sum", "seats": "unique"}
LINES = {
    ("globex", "calls"), ("globex", "minutes"), ("globex", "seats"),
    ("initech", "calls"), ("initech", "minutes"), ("initech", "seats"),
}  # fmt: skip


@dataclass
class FinalMonth:
    """Everything that was landed, counted, pushed and invoiced."""

    connection: psycopg.Connection[Any]
    url: str
    ledger: Ledger
    stripe: StripeSide
    settings: Settings
    clock: FixedClock
    home: Path


def land(
    connection: psycopg.Connection[Any], key: str, customer: str, metric: str, quantity: str, day: int, **more: Any
) -> None:
    """An event of a day in March, accepted by the door an hour later; `properties` and `landed_at` may be given."""
    at = START + timedelta(days=day)
    connection.execute(
        "insert into raw.usage_events"
        " (tenant_id, idempotency_key, customer_ref, metric, quantity, event_time, properties, landed_at)"
        " values (%s, %s, %s, %s, %s, %s, %s, %s)",
        (TENANT, key, customer, metric, quantity, at, more.get("properties", "{}"),
         more.get("landed_at", at + timedelta(hours=1))),
    )  # fmt: skip


def bill(month: FinalMonth) -> None:
    """Declare, subscribe, land in two halves with a push after each, and let Stripe make the invoices final."""
    connection, stripe, clock = month.connection, month.stripe, month.clock
    connection.execute("select tally.ensure_partitions('2024-03-01', '2024-04-07')")
    connection.execute("insert into tally.tenants (tenant_id, name) values (%s, 'Acme & Söhne')", (TENANT,))
    connection.execute("insert into tally.customers values (%s, 'globex', 'Globex <AG>')", (TENANT,))
    test_clock = stripe.test_clock(START)
    for metric, aggregation in METERS.items():
        member = "member" if aggregation == "unique" else None
        connection.execute(
            "insert into tally.meters (tenant_id, metric, aggregation, property) values (%s, %s, %s, %s)",
            (TENANT, metric, aggregation, member),
        )
        connection.execute("insert into tally.price_mappings values (%s, %s, %s)", (TENANT, metric, metric))
        meter = stripe.meter(metric)
        if metric == "minutes":
            stripe.prices[metric] = _graduated(stripe, meter)
    for customer in ("globex", "initech"):
        stripe.subscribe(stripe.customer(customer, test_clock), *METERS)
    sync_subscriptions(connection, stripe.account, TENANT, clock)
    for half in (1, 12):
        for customer in ("globex", "initech"):
            for number in range(3):
                key, day = f"{customer}-{half}-{number}", half + number
                land(connection, f"{key}-c", customer, "calls", "1", day)
                land(connection, f"{key}-m", customer, "minutes", "37.125" if number else "-2.5", day)
                land(connection, f"{key}-s", customer, "seats", "1", day, properties=f'{{"member": "m{number}"}}')
        month.ledger.tick()
        clock.at = START + timedelta(days=half + 5)
        stripe.advance(test_clock, clock.at)
        push(month.settings, stripe.account, TENANT, clock)
    # A repeat, a repeat that says something else, and one that comes too late.
    land(connection, "globex-1-1-m", "globex", "minutes", "37.1250", 2)
    land(connection, "globex-1-2-m", "globex", "minutes", "9", 3)
    land(connection, "globex-late", "globex", "minutes", "5", 3, landed_at=END + timedelta(days=3))
    month.ledger.tick()
    stripe.until_applied()
    clock.at = BILLED
    stripe.advance(test_clock, BILLED)
    sync_subscriptions(connection, stripe.account, TENANT, clock)
    read_totals(connection, stripe.account, TENANT, clock, starting_in=MONTH)


def _graduated(stripe: StripeSide, meter: str) -> str:
    return stripe.client.v1.prices.create(
        {
            "currency": "usd",
            "billing_scheme": "tiered",
            "tiers_mode": "graduated",
            "tiers": [{"up_to": 100, "unit_amount_decimal": "12.5"}, {"up_to": "inf", "unit_amount_decimal": "8.375"}],
            "product_data": {"name": "minutes"},
            "recurring": {"interval": "month", "usage_type": "metered", "meter": meter},
        }
    ).id
