"""What is pushed: ten thousand counters of a thousand customers, known to the mirror and to a local Stripe."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from psycopg import sql

from tally.database import connect
from tally.embedded_postgres import EmbeddedPostgres
from tally.ledger import Ledger
from tally.migrations import migrate
from tally.settings import Settings
from tally.stripe.account import StripeAccount, open_account

TENANT = "acme"
CUSTOMERS = 1_000
METRICS = tuple(f"metric_{number}" for number in range(10))
EVENTS_A_COUNTER = 100
BARE = "acct_bare"  # the account whose meter events come without a ledger
KEYS = {"test": "sk_test_" + "bench00000000000000000000", "live": "sk_live_" + "bench00000000000000000000"}

_ITEMS = """
insert into tally.stripe_subscription_items (
    account, livemode, item_id, tenant_id, customer_ref, metric, subscription_id, subscription_status,
    stripe_customer_id, stripe_meter_id, event_name, price_id, billing_cycle_anchor, started_at, current_period_start,
    current_period_end, synced_at
)
select
    %(account)s, %(livemode)s, 'si_' || customer.ref || metric.name, %(tenant)s, customer.ref, metric.name,
    'sub_' || customer.ref, 'active', customer.id, metric.id, metric.name, 'price', %(start)s, %(start)s, %(start)s,
    %(end)s, %(start)s
from unnest(%(refs)s::text[], %(ids)s::text[]) as customer (ref, id)
cross join unnest(%(metrics)s::text[], %(meters)s::text[]) as metric (name, id)
"""
_COUNTERS = """
insert into ledger.int_usage_counters (
    tenant_id, customer_ref, metric, period_start, period_end, closes_at, event_count, quantity_sum, quantity_min,
    quantity_max, last_quantity, last_event_time, last_landed_at, last_seq, newest_xid
)
select
    %(tenant)s, customer.ref, metric.name, %(start)s, %(end)s, %(end)s + interval '48 hours', %(events)s, 1.25, 1, 1, 1,
    %(at)s, %(at)s, 1, '1'
from unnest(%(refs)s::text[]) as customer (ref)
cross join unnest(%(metrics)s::text[]) as metric (name)
"""
_MOVE = """
update ledger.int_usage_counters
set quantity_sum = quantity_sum + 0.75, event_count = event_count + %s, last_event_time = %s
"""
# What a part has not sent is not the next one's business.
SETTLE = """
update tally.push_intents
set state = 'confirmed', confirmed_by = 'operator', confirmed_at = now(), lease_until = null
where state in ('planned', 'sending', 'unknown')
"""


@dataclass
class Shop:
    """A database, a local Stripe in a process of its own, and how to reach both."""

    url: str
    stripe_url: str
    folder: Path
    control: httpx.Client
    start: datetime
    end: datetime

    def settings(self, mode: str, **changes: Any) -> Settings:
        """Settings of a pusher in `live` or `test` mode."""
        given = {
            "DATABASE_URL": self.url,
            "TALLY_HOME": self.folder,
            "STRIPE_API_KEY": KEYS[mode],
            "STRIPE_API_BASE": self.stripe_url,
        }
        return Settings.model_validate(given | changes)

    def open(self, mode: str, account: str = "self") -> StripeAccount:
        """Found an account and mirror it: counters of it can then be pushed."""
        opened = open_account(self.settings(mode), account)
        meters, ids = self.found(opened)
        with connect(self.url) as connection:
            connection.execute("update tally.price_mappings set account = %s", (account,))
            connection.execute(
                _ITEMS,
                {"account": account, "livemode": opened.livemode, "tenant": TENANT, "start": self.start,
                 "end": self.end, "refs": _refs(), "ids": ids, "metrics": list(METRICS), "meters": meters},
            )  # fmt: skip
            connection.execute("analyze tally.stripe_subscription_items")
        return opened

    def found(self, account: StripeAccount) -> tuple[list[str], list[str]]:
        """Make the account's meters and customers at Stripe; returns the ids of both."""
        v1, options = account.client.v1, account.options()
        meters = [
            v1.billing.meters.create(
                {"display_name": name, "event_name": name, "default_aggregation": {"formula": "sum"}}, options
            ).id
            for name in METRICS
        ]
        with ThreadPoolExecutor(4) as pool:
            ids = list(
                pool.map(lambda ref: v1.customers.create({"metadata": {"customer_ref": ref}}, options).id, _refs())
            )
        return meters, ids

    def move_counters(self) -> int:
        """Every counter takes part of a day's usage: a hundred events each. Returns how many events that is."""
        with connect(self.url) as connection:
            moved = connection.execute(_MOVE, (EVENTS_A_COUNTER, datetime.now(UTC)))
        return moved.rowcount * EVENTS_A_COUNTER

    def arrivals(self, namespace: str) -> list[dict[str, Any]]:
        """What the local Stripe's oracle says of each identifier."""
        self.control.post("/_sandbox/catch_up").raise_for_status()
        answer = self.control.get("/_sandbox/oracle/meter_events", params={"namespace": namespace}, timeout=60)
        data: list[dict[str, Any]] = answer.raise_for_status().json()["data"]
        return data

    def limit(self, **knobs: float) -> None:
        """Set the limits of the local Stripe."""
        self.control.post("/_sandbox/settings", json=knobs).raise_for_status()


@contextmanager
def shop(postgres: EmbeddedPostgres, folder: Path, name: str) -> Iterator[Shop]:
    """A shop whose period began ten days ago; it is gone afterwards."""
    with connect(postgres.url("postgres"), autocommit=True) as admin:
        admin.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    url = postgres.url(name)
    start = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=10)
    end = start + timedelta(days=30)
    with connect(url) as connection:
        migrate(connection)
    Ledger(url, folder / "dbt").tick()
    with connect(url) as connection:
        _declare(connection, start, end)
    with _local_stripe() as stripe_url, httpx.Client(base_url=stripe_url) as control:
        control.post("/_sandbox/settings", json={"apply_lag_seconds": 0.0}).raise_for_status()
        yield Shop(url, stripe_url, folder, control, start, end)


def _declare(connection: Any, start: datetime, end: datetime) -> None:
    connection.execute("insert into tally.tenants (tenant_id, name) values (%s, 'Acme')", (TENANT,))
    connection.execute(
        "insert into tally.meters (tenant_id, metric, aggregation) select %s, unnest(%s::text[]), 'sum'",
        (TENANT, list(METRICS)),
    )
    connection.execute(
        "insert into tally.price_mappings (tenant_id, metric, event_name) select %s, name, name"
        " from unnest(%s::text[]) as metric (name)",
        (TENANT, list(METRICS)),
    )
    connection.execute(
        "insert into tally.customer_periods (tenant_id, customer_ref, period_start, period_end, origin)"
        " select %s, unnest(%s::text[]), %s, %s, 'stripe'",
        (TENANT, _refs(), start, end),
    )
    connection.execute(
        _COUNTERS,
        {"tenant": TENANT, "start": start, "end": end, "refs": _refs(), "metrics": list(METRICS),
         "events": EVENTS_A_COUNTER, "at": datetime.now(UTC)},
    )  # fmt: skip
    connection.execute("analyze")


def _refs() -> list[str]:
    return [f"customer-{number:04}" for number in range(CUSTOMERS)]


@contextmanager
def _local_stripe() -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "stripe_sandbox", "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().split()[-1]
    finally:
        process.terminate()
        process.wait()
