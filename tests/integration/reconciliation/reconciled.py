"""Lines as the view gives them, for tests of what is made of them."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from tally.reconciliation import Line

START = datetime(2024, 3, 1, 5, tzinfo=UTC)
END = datetime(2024, 4, 1, 5, tzinfo=UTC)

_OK = Line(
    tenant_id="acme", account="self", livemode=False, customer_ref="globex", metric="calls", period_start=START,
    period_end=END, aggregation="count", unit="call", deliveries=12, duplicates=2, conflicts=0, late_events=0,
    event_count=10, local_quantity=Decimal(10), sent_quantity=Decimal(10), in_flight_quantity=Decimal(0),
    stripe_quantity=Decimal(10), invoice_id="in_1", invoice_line_id="il_1", invoice_status="open",
    invoice_quantity=Decimal(10), invoice_amount=Decimal(100), invoice_currency="usd", drift=Decimal(0),
    drift_ratio=Decimal(0), epsilon=Decimal("0.005"), integrity_verdict="ok", delivery_verdict="ok",
    business_verdict="ok", verdict="ok", cause=None, note=None,
)  # fmt: skip


def line(**changes: Any) -> Line:
    """An ok line of 10 calls, changed as said."""
    return replace(_OK, **changes)


def broken(ratio: str = "0.1", **changes: Any) -> Line:
    """A line whose Stripe total is off by one."""
    found = {
        "verdict": "break",
        "cause": "foreign writer: Stripe has 11, confirmed 10",
        "stripe_quantity": Decimal(11),
        "drift": Decimal(1),
        "drift_ratio": Decimal(ratio),
    }
    return line(**(found | changes))


def unread(**changes: Any) -> Line:
    """A line whose Stripe total was not read."""
    found = {
        "verdict": "missing",
        "cause": "summary not read: sync Stripe's totals",
        "stripe_quantity": None,
        "drift": None,
        "drift_ratio": None,
    }
    return line(**(found | changes))
