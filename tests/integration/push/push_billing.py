"""What a push test works with: a tenant, its customers in Stripe in March 2024, and counters set by hand."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
from counter_rows import put_counter
from stripe_side import StripeSide

from tally.clock import FixedClock
from tally.push import DeliveryResult, PlanResult, deliver, plan
from tally.settings import Settings
from tally.stripe.account import StripeAccount

TENANT = "acme"
START = datetime(2024, 3, 1, 8, 30, 15, tzinfo=UTC)
END = datetime(2024, 4, 1, 8, 30, 15, tzinfo=UTC)
NOW = datetime(2024, 3, 20, 12, 0, 0, tzinfo=UTC)
METRICS = {"api_calls": "sum", "peak_load": "max"}


@dataclass
class Billing:
    """What a push test works with."""

    connection: psycopg.Connection[Any]
    settings: Settings
    stripe: StripeSide
    account: StripeAccount
    clock: FixedClock
    customers: dict[str, str]
    test_clock: str

    def count(self, customer_ref: str, metric: str, value: str | Decimal, at: datetime | None = None) -> None:
        """Set a counter of March, as the ledger would have computed it."""
        set_counter(self.connection, customer_ref, metric, Decimal(value), at or self.clock.at - timedelta(hours=1))

    def forget(self) -> None:
        """Back to nothing counted, planned or read."""
        for table in ("tally.push_attempts", "tally.push_intents", "tally.stripe_totals", "ledger.int_usage_counters"):
            self.connection.execute(f"delete from {table}")

    def plan(self) -> PlanResult:
        return plan(self.connection, self.account, TENANT, self.clock)

    def deliver(self, **options: Any) -> DeliveryResult:
        return deliver(self.settings, self.account, TENANT, self.clock, **options)

    def push(self, **options: Any) -> DeliveryResult:
        self.plan()
        return self.deliver(**options)

    def states(self) -> list[str]:
        """Of every intent, in order of planning."""
        rows = self.connection.execute(
            "select state from tally.push_intents order by customer_ref, metric, period_start, seq"
        ).fetchall()
        return [row[0] for row in rows]

    def one(self, query: str) -> Any:
        row = self.connection.execute(query).fetchone()
        assert row is not None
        return row[0]

    def applied(self, customer_ref: str, metric: str) -> Decimal:
        """What Stripe has counted, by the oracle."""
        return self.stripe.applied().get((self.customers[customer_ref], metric), Decimal(0))


def set_counter(
    connection: psycopg.Connection[Any],
    customer_ref: str,
    metric: str,
    value: Decimal,
    at: datetime,
    period: tuple[datetime, datetime] = (START, END),
) -> None:
    put_counter(connection, TENANT, customer_ref, metric, value, period, at)


def declare_tenant(connection: psycopg.Connection[Any]) -> None:
    connection.execute("insert into tally.tenants (tenant_id, name) values (%s, 'Acme')", (TENANT,))
    for metric, aggregation in METRICS.items():
        connection.execute(
            "insert into tally.meters (tenant_id, metric, aggregation) values (%s, %s, %s)",
            (TENANT, metric, aggregation),
        )
        connection.execute(
            "insert into tally.price_mappings (tenant_id, metric, event_name) values (%s, %s, %s)",
            (TENANT, metric, metric),
        )
