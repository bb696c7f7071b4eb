"""What is reconciled: ten thousand customers who subscribe to one metered price, counted and told to a local Stripe."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import stripe
from psycopg import sql

from tally.clock import SystemClock
from tally.database import connect
from tally.embedded_postgres import EmbeddedPostgres
from tally.ledger import Ledger
from tally.migrations import migrate
from tally.push import push
from tally.settings import Settings
from tally.stripe.account import open_account
from tally.stripe.sync import sync_subscriptions
from tests.benchmarks.push.shop import KEYS

TENANT = "acme"
METRIC = "calls"
# The SDK's calls, side by side.
_CALLERS = 4

_COUNTERS = """
insert into ledger.int_usage_counters (
    tenant_id, customer_ref, metric, period_start, period_end, closes_at, event_count, quantity_sum, quantity_min,
    quantity_max, last_quantity, last_event_time, last_landed_at, last_seq, newest_xid
)
select
    tenant_id, customer_ref, %(metric)s, period_start, period_end, period_end + interval '48 hours', 1, 12.5, 12.5,
    12.5, 12.5, period_start, period_start, 1, '1'
from tally.customer_periods
"""
# Counters that no event made: as if a tick were between the two models, so that nobody compares them.
_BETWEEN_MODELS = "update tally.model_bounds set read_to = '3' where model = 'marts.usage_deliveries'"


@dataclass(frozen=True)
class Shop:
    """A database and a local Stripe in a process of its own."""

    url: str
    stripe_url: str
    folder: Path
    customers: int

    def environment(self) -> dict[str, str]:
        """For processes that work on it."""
        return {
            "DATABASE_URL": self.url,
            "TALLY_HOME": str(self.folder),
            "STRIPE_API_KEY": KEYS["live"],
            "STRIPE_API_BASE": self.stripe_url,
            # The stream, so that ten thousand deltas are a hundred calls; at the local Stripe nothing limits them.
            "TALLY_PUSH_STREAM": "on",
        }

    def settings(self) -> Settings:
        """Settings that lead here."""
        return Settings.model_validate(self.environment())

    def requests(self) -> dict[str, Any]:
        """What Stripe was asked since this was last called."""
        told: dict[str, Any] = httpx.get(f"{self.stripe_url}/_requests", timeout=60).raise_for_status().json()
        return told


@contextmanager
def shop(postgres: EmbeddedPostgres, folder: Path, customers: int) -> Iterator[Shop]:
    """Everything is counted, told to Stripe and confirmed; no total was read yet, and no table ever analyzed."""
    name = "bench_reconcile"
    with connect(postgres.url("postgres"), autocommit=True) as admin:
        admin.execute("alter system set autovacuum = off")
        admin.execute("select pg_reload_conf()")
        admin.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    url = postgres.url(name)
    with connect(url) as connection:
        migrate(connection)
    Ledger(url, folder / "dbt").tick()
    with _logged_stripe() as stripe_url:
        each = Shop(url, stripe_url, folder, customers)
        _fill(each)
        yield each


def _fill(each: Shop) -> None:
    settings = each.settings()
    account = open_account(settings)
    _subscribe(account.client, each.customers)
    with connect(each.url, autocommit=True) as connection:
        connection.execute("insert into tally.tenants (tenant_id, name) values (%s, 'Acme')", (TENANT,))
        connection.execute(
            "insert into tally.meters (tenant_id, metric, aggregation) values (%s, %s, 'sum')", (TENANT, METRIC)
        )
        connection.execute(
            "insert into tally.price_mappings (tenant_id, metric, event_name) values (%s, %s, %s)",
            (TENANT, METRIC, METRIC),
        )
        synced = sync_subscriptions(connection, account, TENANT, SystemClock())
        connection.execute(_COUNTERS, {"metric": METRIC})
        connection.execute(_BETWEEN_MODELS)
    planned, delivered = push(settings, account, TENANT, SystemClock())
    account.close()
    if not synced.items == len(planned.planned) == delivered.confirmed == each.customers:
        raise RuntimeError(
            f"{synced.items} synced, {len(planned.planned)} planned, {delivered.confirmed} confirmed, {delivered.left}"
        )


def _subscribe(client: stripe.StripeClient, customers: int) -> None:
    v1 = client.v1
    meter = v1.billing.meters.create(
        {"display_name": METRIC, "event_name": METRIC, "default_aggregation": {"formula": "sum"}}
    )
    price = v1.prices.create(
        {
            "currency": "usd",
            "unit_amount": 10,
            "product_data": {"name": METRIC},
            "recurring": {"interval": "month", "usage_type": "metered", "meter": meter.id},
        }
    )

    def subscribe(number: int) -> None:
        customer = v1.customers.create({"metadata": {"customer_ref": f"customer-{number:05}"}})
        v1.subscriptions.create({"customer": customer.id, "items": [{"price": price.id}]})

    with ThreadPoolExecutor(_CALLERS) as pool:
        list(pool.map(subscribe, range(customers)))


@contextmanager
def _logged_stripe() -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "tests.benchmarks.reconcile.logged_stripe"],
        stdout=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()
