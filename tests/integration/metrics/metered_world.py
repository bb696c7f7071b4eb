"""A tenant with a bit of everything that the exporter tells: counted, repeated, conflicting and waiting deliveries,
pushed to a local Stripe that somebody else writes to as well, a hold, a rest, webhooks, a loop."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from stripe_side import StripeSide

from tally.clock import FixedClock
from tally.ledger import Ledger
from tally.loop_heartbeat import Beat, write_beat
from tally.push import push
from tally.reconciliation.check import Scope, check
from tally.settings import Settings
from tally.stripe.reads import count_reads
from tally.stripe.sync import sync_subscriptions

TENANT = "acme"
START = datetime(2024, 3, 1, 5, tzinfo=UTC)
NOW = datetime(2024, 3, 20, 12, tzinfo=UTC)
BEAT = Beat(
    "host:1", ticks=7, ticks_last_minute=5, seconds_since_tick=2.0, last_tick_seconds=0.4, failures=0, last_error=None
)
_ROWS = """
insert into tally.tenants (tenant_id, name, created_at) values ('second', 'Second', now() + interval '1 s'),
    ('third', 'Third', now() + interval '2 s'), ('fourth', 'Fourth', now() + interval '2 s');
insert into tally.push_intents (
    tenant_id, account, livemode, customer_ref, metric, period_start, period_end, seq, value, counter_value, event_name,
    stripe_customer_id, event_ts, identifier, state, planned_at
)
select tenant, account, livemode, 'c', 'm', '2024-03-01', '2024-04-01', 1, 1, 1, 'm', 'cus_1', '2024-03-20', name,
    state, timestamptz '2024-03-20 12:00Z' - waited
from (values
    ('third', 'self', true, 'a', 'unknown', interval '10 min'),
    ('fourth', 'self', true, 'b', 'unknown', interval '20 min'),
    ('fourth', 'shadow', false, 'c', 'disputed', interval '1 h')
) as planted (tenant, account, livemode, name, state, waited);
insert into tally.push_accounts (account, livemode, stopped_at, stopped_because)
values ('acct_1', true, now(), 'a refused key');
insert into tally.mapping_pauses values ('acme', 'self', false, 'gone', 'no_meter', 'no meter', 'evt_0', now());
insert into tally.invoice_holds (
    tenant_id, account, livemode, invoice_id, customer_ref, period_end, finalizes_at, state, held_by, reason, decided_at
) values ('acme', 'self', false, 'in_1', 'globex', now(), now(), 'held', 'tally', 'unsettled', '2024-03-20 11:00Z');
insert into tally.stripe_webhooks (account, livemode, event_id, payload, type, created_at, received_at, state)
select 'self', false, state || number, 'thin', 'x', now(), now() - number * interval '1 minute', state
from (values ('received', 30), ('received', 20), ('failed', 90), ('handled', 99)) as kept (state, number);
"""
_REST = """
insert into tally.closing_rests (
    tenant_id, account, livemode, customer_ref, metric, period_start, period_end, seq, from_quantity, to_quantity, kind,
    amount_minor, currency, price_id, invoice_id, invoice_line_ids, stripe_customer_id, subscription_id, proposed_at
) values ('acme', 'self', false, 'globex', 'calls', '2024-02-01', '2024-03-01', 1, 1, 2, 'invoice_item', 10, 'usd',
    'price_1', 'in_0', '{il_0}', 'cus_1', 'sub_1', '2024-03-03')
"""


def make(connection: psycopg.Connection[Any], stripe: StripeSide, ledger: Ledger, home: Path) -> Settings:
    """All of it; returns settings that lead there, at a simulated NOW."""
    clock = FixedClock(NOW)
    connection.execute("insert into tally.simulated_clock (now) values (%s)", (NOW,))
    connection.execute("insert into tally.tenants (tenant_id, name) values (%s, 'Acme')", (TENANT,))
    test_clock = stripe.test_clock(START)
    for metric in ("calls", "minutes"):
        connection.execute("insert into tally.meters values (%s, %s, 'sum')", (TENANT, metric))
        connection.execute("insert into tally.price_mappings values (%s, %s, %s)", (TENANT, metric, metric))
        stripe.meter(metric)
    customer = stripe.customer("globex", test_clock)
    stripe.subscribe(customer, "calls", "minutes")
    stripe.advance(test_clock, NOW)
    sync_subscriptions(connection, stripe.account, TENANT, clock)
    counted = [
        ("calls", "1", "a"),
        ("calls", "1", "a"),
        ("calls", "2", "a"),
        ("calls", "5", "b"),
        ("minutes", "7", "c"),
    ]
    land(connection, counted, NOW - timedelta(hours=5))
    ledger.tick()
    settings = stripe.settings(ledger.url, home, TALLY_CLOCK="simulated", TALLY_MAX_TENANT_LABELS=2)
    push(settings, stripe.account, TENANT, clock)
    stripe.send(customer, "minutes", "3", NOW - timedelta(days=1), "somebody-else")
    stripe.until_applied()
    check(connection, [stripe.account], TENANT, clock, Scope(everything=True))
    count_reads(connection, stripe.account, TENANT, "totals", NOW)
    land(connection, [("calls", "1", "d"), ("calls", "1", "e")], NOW - timedelta(seconds=40))
    connection.execute(_ROWS)
    connection.execute(_REST)
    write_beat(connection, BEAT)
    return settings


def land(connection: psycopg.Connection[Any], events: Sequence[tuple[str, str, str]], landed_at: datetime) -> None:
    """Deliveries of metric, quantity and key, all at one moment."""
    for metric, quantity, key in events:
        connection.execute(
            "insert into raw.usage_events"
            " (tenant_id, idempotency_key, customer_ref, metric, quantity, event_time, landed_at)"
            " values (%s, %s, 'globex', %s, %s, %s, %s)",
            (TENANT, key, metric, quantity, landed_at, landed_at),
        )
