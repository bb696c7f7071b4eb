"""A month small enough to check by eye: two customers, three metrics, 20 events, all the way to Stripe."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
from stripe_side import StripeSide

from tally.clock import FixedClock
from tally.ledger import Ledger
from tally.push import DeliveryResult, push
from tally.reconciliation import Line, read_lines
from tally.reconciliation.check import Scope, check
from tally.settings import Settings
from tally.stripe.sync import sync_subscriptions

TENANT = "acme"
START = datetime(2024, 3, 1, 5, tzinfo=UTC)
END = datetime(2024, 4, 1, 5, tzinfo=UTC)
NOW = datetime(2024, 3, 20, 12, tzinfo=UTC)
METRICS = {"calls": "count", "minutes": "sum", "peak": "max"}
QUANTITIES = {
    ("globex", "calls"): ["1", "1", "1", "1"],
    ("globex", "minutes"): ["10.5", "20", "-3.25", "7"],
    ("globex", "peak"): ["4", "19", "6"],
    ("initech", "calls"): ["1", "1"],
    ("initech", "minutes"): ["100", "200", "300", "400"],
    ("initech", "peak"): ["-8", "-2", "-5"],
}
# Stripe bills -2 as 0, and that is parity.
COUNTED = {
    ("globex", "calls"): Decimal(4),
    ("globex", "minutes"): Decimal("34.25"),
    ("globex", "peak"): Decimal(19),
    ("initech", "calls"): Decimal(2),
    ("initech", "minutes"): Decimal(1000),
    ("initech", "peak"): Decimal(-2),
}
Finding = tuple[str, str, str, str | None]


@dataclass
class Month:
    """The month and everything that acts on it."""

    connection: psycopg.Connection[Any]
    ledger: Ledger
    stripe: StripeSide
    settings: Settings
    clock: FixedClock
    customers: dict[str, str]

    def land(
        self,
        customer_ref: str,
        metric: str,
        quantity: str,
        key: str,
        times: int = 1,
        at: datetime = START + timedelta(days=9),
        after: timedelta = timedelta(hours=1),
    ) -> None:
        """An event, of 10 March if not said otherwise, delivered `times` times by the door an hour later."""
        for _ in range(times):
            self.connection.execute(
                "insert into raw.usage_events"
                " (tenant_id, idempotency_key, customer_ref, metric, quantity, event_time, landed_at)"
                " values (%s, %s, %s, %s, %s, %s, %s)",
                (TENANT, key, customer_ref, metric, quantity, at, at + after),
            )

    def land_everything(self) -> None:
        for (customer_ref, metric), quantities in QUANTITIES.items():
            for number, quantity in enumerate(quantities):
                self.land(customer_ref, metric, quantity, f"{customer_ref}-{metric}-{number}", times=1 + (number == 3))

    def push(self) -> DeliveryResult:
        _, delivered = push(self.settings, self.stripe.account, TENANT, self.clock)
        return delivered

    def reconcile(self) -> list[Line]:
        """Read all of Stripe's totals, price the lines and judge."""
        self.stripe.until_applied()
        checked = check(self.connection, [self.stripe.account], TENANT, self.clock, Scope(everything=True))
        assert checked.unread == ()
        return read_lines(self.connection, TENANT)

    def findings(self) -> set[Finding]:
        """What reconciliation has to say: (customer, metric, verdict, cause's code) of each line that is not ok."""
        lines = self.reconcile()
        assert {(line.customer_ref, line.metric) for line in lines} == set(QUANTITIES)
        return {
            (line.customer_ref, line.metric, line.verdict, line.cause_code) for line in lines if line.verdict != "ok"
        }


def set_up(month: Month) -> None:
    """Declare the tenant, create its Stripe side, and read it in before anything lands."""
    month.connection.execute("insert into tally.tenants (tenant_id, name) values (%s, 'Acme & Söhne')", (TENANT,))
    test_clock = month.stripe.test_clock(START)
    for metric, aggregation in METRICS.items():
        month.connection.execute("insert into tally.meters values (%s, %s, %s)", (TENANT, metric, aggregation))
        month.connection.execute("insert into tally.price_mappings values (%s, %s, %s)", (TENANT, metric, metric))
        month.stripe.meter(metric)
    for customer_ref in ("globex", "initech"):
        month.customers[customer_ref] = month.stripe.customer(customer_ref, test_clock)
        month.stripe.subscribe(month.customers[customer_ref], *METRICS)
    month.stripe.advance(test_clock, NOW)
    sync_subscriptions(month.connection, month.stripe.account, TENANT, month.clock)
