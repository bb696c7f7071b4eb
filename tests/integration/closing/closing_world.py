"""What a closing test works with: counters set by hand in March 2024, final invoices, and what was billed."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
from counter_rows import put_counter
from stripe import StripeClient
from stripe_side import StripeSide

from tally.clock import FixedClock
from tally.closing import CloseResult, approve, close_periods, list_rests
from tally.pricing import price_from_stripe, price_line, stripe_amounts
from tally.settings import Settings
from tally.stripe.account import StripeAccount
from tally.stripe.totals import read_totals

TENANT = "acme"
START = datetime(2024, 3, 1, 8, 30, 15, tzinfo=UTC)
END = datetime(2024, 4, 1, 8, 30, 15, tzinfo=UTC)
NEXT_END = datetime(2024, 5, 1, 8, 30, 15, tzinfo=UTC)
NOW = datetime(2024, 3, 20, 12, tzinfo=UTC)
# The counters take no events any more.
CLOSED = END + timedelta(hours=49)
GRACE = timedelta(hours=1)
# More than the flat amounts, so that every tier edge shows.
TIERS = [
    {"up_to": 100, "unit_amount": 10},
    {"up_to": 500, "unit_amount_decimal": "7.5", "flat_amount": 200},
    {"up_to": "inf", "unit_amount": 2},
]
METRICS: dict[str, dict[str, Any]] = {
    "api_calls": {"unit_amount": 10},
    "storage": {"billing_scheme": "tiered", "tiers_mode": "graduated", "tiers": TIERS},
}


@dataclass
class World:
    """What a closing test works with."""

    connection: psycopg.Connection[Any]
    settings: Settings
    stripe: StripeSide
    account: StripeAccount
    clock: FixedClock
    customers: dict[str, str]
    test_clock: str

    @property
    def api(self) -> StripeClient:
        return self.stripe.client

    def count(self, value: str | int | Decimal, metric: str = "api_calls", customer: str = "globex") -> None:
        """Set a counter of March, as the ledger would have computed it."""
        put_counter(self.connection, TENANT, customer, metric, Decimal(value), (START, END), NOW - timedelta(hours=1))

    def at(self, moment: datetime) -> None:
        """Move our time and the test clock's; everything that was sent is applied before."""
        self.stripe.until_applied()
        self.clock.at = moment
        self.stripe.advance(self.test_clock, moment)

    def run(self, **options: Any) -> CloseResult:
        return close_periods(self.settings, self.connection, self.account, TENANT, self.clock, **options)

    def finalized(self, value: str | int | Decimal, metric: str = "api_calls") -> str:
        """The counter is told, its invoice final and read, and its lateness window over; returns the invoice's id."""
        self.count(value, metric)
        self.run()
        self.at(END + 2 * GRACE)
        self.run()
        self.at(CLOSED)
        return str(self.one(f"select invoice_id from tally.stripe_totals where metric = '{metric}'"
                            " and customer_ref = 'globex' and invoice_status = 'open'"))  # fmt: skip

    def policy(self, **columns: str) -> None:
        """Settings of the tenant."""
        for column, value in columns.items():
            self.connection.execute(f"update tally.tenants set {column} = %s", (value,))

    def one(self, query: str) -> Any:
        row = self.connection.execute(query).fetchone()
        assert row is not None
        return row[0]

    def rests(self, columns: str = "kind, amount_minor, state") -> list[tuple[Any, ...]]:
        return self.connection.execute(
            f"select {columns} from tally.closing_rests order by customer_ref, metric, period_start, seq"
        ).fetchall()

    def read_again(self) -> None:
        """Stripe's totals, also of final invoices: as the hourly check reads them, or a webhook has them read."""
        read_totals(self.connection, self.account, TENANT, self.clock)

    def approve_all(self) -> None:
        """Whatever waits for a person."""
        for rest in list_rests(self.connection, TENANT, ["proposed"]):
            approve(self.connection, TENANT, rest.rest_id, "Ada", self.clock)

    def billed(self, customer: str = "globex") -> int:
        """All that the customer owes, in minor units: usage lines, items on their way, less what was credited.

        A voided invoice is owed by nobody, and its credit notes are void with it.
        """
        of = self.customers[customer]
        api = self.api.v1
        invoices = list(api.invoices.list({"customer": of, "limit": 100}).auto_paging_iter())
        voided = {invoice.id for invoice in invoices if invoice.status == "void"}
        invoiced = sum(
            line.amount
            for invoice in invoices
            if invoice.id not in voided
            for line in invoice.lines.auto_paging_iter()
            if line.parent and line.parent.type == "subscription_item_details"
        )
        items = sum(item.amount for item in api.invoice_items.list({"customer": of, "limit": 100}).auto_paging_iter())
        credited = api.credit_notes.list({"customer": of, "limit": 100}).auto_paging_iter()
        notes = sum(note.total for note in credited if note.invoice not in voided)
        grants = api.billing.credit_grants.list({"customer": of, "limit": 100}).auto_paging_iter()
        granted = sum(grant.amount.monetary.value for grant in grants if grant.amount.monetary)
        return int(invoiced + items - notes - granted)

    def worth(self, metric: str, quantity: str | int | Decimal) -> int:
        """What Stripe's own price makes of a quantity."""
        price = self.api.v1.prices.retrieve(self.stripe.prices[metric], {"expand": ["tiers"]})
        return sum(stripe_amounts(price_line(price_from_stripe(price), max(Decimal(quantity), Decimal(0)))))


def declare_tenant(connection: psycopg.Connection[Any]) -> None:
    # Counters that are set by hand have no deliveries: as if a tick were between the two models, nobody compares them.
    connection.execute("update tally.model_bounds set read_to = '3' where model = 'marts.usage_deliveries'")
    connection.execute("insert into tally.tenants (tenant_id, name) values (%s, 'Acme')", (TENANT,))
    for metric in METRICS:
        connection.execute(
            "insert into tally.meters (tenant_id, metric, aggregation) values (%s, %s, 'sum')", (TENANT, metric)
        )
        connection.execute(
            "insert into tally.price_mappings (tenant_id, metric, event_name) values (%s, %s, %s)",
            (TENANT, metric, metric),
        )
