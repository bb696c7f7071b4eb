"""Stripe's own totals, read beside each counter: never a guess, never zero for unknown."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from push_billing import END, START, TENANT, Billing

from tally.stripe.sync import sync_subscriptions
from tally.stripe.totals import TotalsResult, read_totals


def read(billing: Billing, **options: Any) -> TotalsResult:
    billing.stripe.until_applied()
    return read_totals(billing.connection, billing.account, TENANT, billing.clock, **options)


def stored(billing: Billing, columns: str, customer_ref: str = "globex", metric: str = "api_calls") -> Any:
    query = f"select {columns} from tally.stripe_totals where customer_ref = %s and metric = %s and period_start = %s"
    return billing.connection.execute(query, (customer_ref, metric, START)).fetchone()


def test_while_the_period_is_open_the_preview_is_read(billing: Billing) -> None:
    billing.count("globex", "api_calls", "100.25")
    billing.count("initech", "peak_load", "-3")
    billing.push()
    result = read(billing)
    assert (result.keys, result.unread) == (6, ())
    assert stored(billing, "summary_quantity, invoice_quantity, invoice_status, invoice_amount, invoice_currency") == (
        Decimal("100.25"), Decimal("100.25"), "preview", Decimal(1003), "usd",
    )  # fmt: skip
    assert stored(billing, "summary_quantity, invoice_quantity", "initech", "peak_load") == (-3, 0)
    assert stored(billing, "summary_quantity, invoice_quantity", "umbrella") == (0, 0)


def test_draft_then_final_invoice_and_what_is_counted_later_is_not_pushed(billing: Billing) -> None:
    billing.count("globex", "api_calls", "5")
    billing.push()
    read(billing)
    billing.clock.at = END + timedelta(minutes=30)
    billing.stripe.advance(billing.test_clock, billing.clock.at)
    read(billing)
    assert stored(billing, "invoice_status, invoice_quantity") == ("draft", 5)
    billing.count("globex", "api_calls", "8", at=END - timedelta(seconds=1))
    assert billing.push().confirmed == 1  # within the grace: it still gets onto the invoice
    billing.clock.at = END + timedelta(hours=2)
    billing.stripe.advance(billing.test_clock, billing.clock.at)
    read(billing)
    assert stored(billing, "invoice_status, invoice_quantity, summary_quantity") == ("open", 8, 8)
    assert stored(billing, "invoice_id, invoice_line_id is not null")[0].startswith("in_")
    billing.count("globex", "api_calls", "9", at=END - timedelta(seconds=1))
    assert [(held.reason, held.delta) for held in billing.plan().held] == [("period_closed", Decimal(1))]


def test_an_intent_planned_before_its_invoice_became_final_is_cancelled_not_sent(billing: Billing) -> None:
    billing.count("globex", "api_calls", "5", at=END - timedelta(hours=1))
    billing.plan()
    billing.clock.at = END + timedelta(hours=2)
    billing.stripe.advance(billing.test_clock, billing.clock.at)
    read(billing)
    assert billing.deliver().attempts == {}
    assert billing.states() == ["cancelled"]
    assert [held.reason for held in billing.plan().held] == ["period_closed"]


def test_a_new_period_is_read_beside_the_old_one(billing: Billing) -> None:
    billing.clock.at = END + timedelta(days=3)
    billing.stripe.advance(billing.test_clock, billing.clock.at)
    sync_subscriptions(billing.connection, billing.account, TENANT, billing.clock)
    assert read(billing).keys == 12
    assert read(billing, starting_in=(END, END + timedelta(days=1))).keys == 6
    statuses = billing.connection.execute(
        "select period_start, min(invoice_status), max(invoice_status) from tally.stripe_totals group by 1 order by 1"
    ).fetchall()
    assert statuses == [(START, "paid", "paid"), (END, "preview", "preview")]


def test_what_cannot_be_read_stays_null_or_as_it_was_and_says_why(billing: Billing) -> None:
    billing.stripe.fail("fail_500", method="GET", path="/v1/billing/meters/*", count=None)
    result = read(billing, starting_in=(START, END))
    assert {unread.what for unread in result.unread} == {"summary"}
    assert len(result.unread) == 6
    assert all(unread.reason for unread in result.unread)
    assert stored(billing, "summary_quantity, summary_read_at, invoice_quantity") == (None, None, 0)
    billing.stripe.heal()
    read(billing)
    first_read = billing.clock.at
    billing.clock.at += timedelta(hours=1)
    billing.stripe.fail("fail_500", method="*", path="/v1/invoices*", count=None)
    result = read(billing)
    assert {unread.what for unread in result.unread} == {"invoice"}
    assert stored(billing, "summary_quantity, summary_read_at, invoice_quantity, invoice_read_at") == (
        0, billing.clock.at, 0, first_read,
    )  # fmt: skip
