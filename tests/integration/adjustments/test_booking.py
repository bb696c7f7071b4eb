"""Which period an approved adjustment is booked into, by policy, and that the push can send it from there."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from metered_month import TENANT

from tally.adjustments import (
    AdjustmentRefused,
    NotBookable,
    Request,
    SecondPersonNeeded,
    approve,
    create,
    list_adjustments,
    read,
)
from tally.clock import FixedClock
from tally.push import preview
from tally.settings import Settings
from tally.stripe.account import open_account


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# Anchored on the 15th at 10:00; the subscription began in January.
CYCLES = [(at(f"2024-0{month}-15T10:00"), at(f"2024-0{month + 1}-15T10:00")) for month in range(1, 6)]


@pytest.fixture
def billed(database: psycopg.Connection[Any]) -> psycopg.Connection[Any]:
    """globex's `sum` is billed by Stripe in periods of its own; initech is in no Stripe."""
    database.execute("insert into tally.customers values (%s, 'globex'), (%s, 'initech')", (TENANT, TENANT))
    database.execute("insert into tally.price_mappings values (%s, 'sum', 'usage', 'self')", (TENANT,))
    for start, end in CYCLES:
        database.execute(
            "insert into tally.customer_periods values (%s, 'globex', %s, %s, 'stripe')", (TENANT, start, end)
        )
    database.execute(
        "insert into tally.stripe_subscription_items values (%s, false, 'si_1', %s, 'globex', 'sum', 'sub_1', 'active',"
        " 'cus_1', 'mtr_1', 'usage', 'price_1', %s, %s, null, %s, %s, %s)",
        ("self", TENANT, CYCLES[0][0], CYCLES[0][0], *CYCLES[1], CYCLES[1][0]),
    )
    return database


def invoiced(database: psycopg.Connection[Any], cycle: int, status: str) -> None:
    database.execute(
        "insert into tally.stripe_totals (tenant_id, account, livemode, customer_ref, metric, period_start, period_end,"
        " invoice_status) values (%s, 'self', false, 'globex', 'sum', %s, %s, %s)",
        (TENANT, *CYCLES[cycle], status),
    )


def proposed(
    database: psycopg.Connection[Any], clock: FixedClock, policy: str, moment: datetime, customer: str = "globex"
) -> str:
    database.execute("update tally.tenants set adjustments_book_into = %s", (policy,))
    request = Request(customer, "sum", moment, Decimal(5), "correction", "")
    return create(database, TENANT, request, "ada", clock).adjustment_id


def booked_start(database: psycopg.Connection[Any], adjustment_id: str, clock: FixedClock) -> datetime | None:
    return approve(database, TENANT, adjustment_id, "bob", clock).adjustment.booked_start


# It is two days into cycle 2; what is corrected happened in cycle 1.
NOW, BEFORE = at("2024-03-17T10:00"), at("2024-03-01T00:00")


@pytest.mark.parametrize(
    ("policy", "now", "invoice", "cycle"),
    [
        ("own_period_if_open", NOW, "draft", 1),
        ("own_period_if_open", NOW, None, 1),
        ("own_period_if_open", NOW, "open", 2),
        ("own_period_if_open", NOW + timedelta(days=1), None, 2),
        ("own_period_if_open", NOW + timedelta(days=1), "draft", 1),
        ("own_period_if_open", at("2024-04-19T00:00"), "draft", 3),
        ("current_period", NOW, "draft", 2),
        ("next_period", NOW, "draft", 3),
    ],
)
def test_the_policy_names_the_first_period_that_still_bills(
    billed: psycopg.Connection[Any], policy: str, now: datetime, invoice: str | None, cycle: int
) -> None:
    clock = FixedClock(now)
    if invoice:
        invoiced(billed, 1, invoice)
    assert booked_start(billed, proposed(billed, clock, policy, BEFORE), clock) == CYCLES[cycle][0]


def test_a_current_period_with_a_final_invoice_passes_it_on_to_the_next(billed: psycopg.Connection[Any]) -> None:
    clock = FixedClock(NOW)
    invoiced(billed, 2, "paid")
    assert booked_start(billed, proposed(billed, clock, "current_period", BEFORE), clock) == CYCLES[3][0]


@pytest.mark.parametrize(("policy", "reason"), [("current_period", None), ("next_period", "period_not_started")])
def test_the_push_sends_it_from_there(
    billed: psycopg.Connection[Any], tmp_path: Path, policy: str, reason: str | None
) -> None:
    clock = FixedClock(NOW)
    approve(billed, TENANT, proposed(billed, clock, policy, BEFORE), "bob", clock)
    account = open_account(
        Settings.model_validate({"STRIPE_API_KEY": "sk_test_nothing_is_called", "TALLY_HOME": tmp_path})
    )
    plan = preview(billed, account, TENANT, clock)
    account.close()
    planned = [(row.counter.period_start, row.counter_value) for row in plan.planned]
    held = [(row.counter.period_start, row.reason) for row in plan.held]
    expected = CYCLES[2 if reason is None else 3][0]
    assert (planned, held) == (([(expected, 5)], []) if reason is None else ([], [(expected, reason)]))


def test_a_customer_outside_stripe_has_the_calendars_months(billed: psycopg.Connection[Any]) -> None:
    clock = FixedClock(NOW)
    made = proposed(billed, clock, "current_period", BEFORE, "initech")
    assert booked_start(billed, made, clock) == at("2024-03-01T00:00")


def test_between_known_periods_the_calendar_month_is_clipped(billed: psycopg.Connection[Any]) -> None:
    """1 to 15 January, 10:00, lies before the customer's first billing period."""
    clock = FixedClock(NOW)
    made = read(billed, TENANT, proposed(billed, clock, "current_period", at("2024-01-03T00:00")))
    assert (made.period.start, made.period.end) == (at("2024-01-01T00:00"), CYCLES[0][0])


def test_where_nothing_bills_any_more_it_stays_pending_and_says_why(billed: psycopg.Connection[Any]) -> None:
    clock = FixedClock(NOW)
    billed.execute("update tally.stripe_subscription_items set ended_at = %s", (CYCLES[1][1],))
    made = proposed(billed, clock, "current_period", BEFORE)
    with pytest.raises(NotBookable, match=r"no period of globex can bill sum.*no subscription of the customer bills"):
        approve(billed, TENANT, made, "bob", clock)
    assert read(billed, TENANT, made).state == "pending"


def test_a_period_that_stripe_does_not_have_is_not_booked_into(billed: psycopg.Connection[Any]) -> None:
    clock = FixedClock(at("2024-06-20T00:00"))
    made = proposed(billed, clock, "current_period", at("2024-06-16T00:00"))
    with pytest.raises(NotBookable, match="no billing period that Stripe has"):
        approve(billed, TENANT, made, "bob", clock)


def test_a_second_person_approves_where_the_tenant_says_so(billed: psycopg.Connection[Any]) -> None:
    clock = FixedClock(NOW)
    billed.execute("update tally.tenants set adjustments_need_second_person = true")
    made = proposed(billed, clock, "current_period", BEFORE)
    for same in ("ada", " Ada "):
        with pytest.raises(SecondPersonNeeded, match=r"ada made adjustment .* wants somebody else"):
            approve(billed, TENANT, made, same, clock)
    assert approve(billed, TENANT, made, "bob", clock).after == 5


@pytest.mark.parametrize(
    ("field", "content", "words"),
    [
        ("amount", Decimal(0), "amount: 0 changes nothing"),
        ("amount", Decimal("NaN"), "amount: NaN"),
        ("amount", Decimal("Infinity"), "amount: Infinity"),
        ("amount", Decimal("0.0000000000001"), "at most 15 digits and 12 decimals"),
        ("amount", Decimal("1234567890.123456"), "at most 15 digits and 12 decimals"),
        ("reason", "late_events", "reason: 'late_events' is none of correction, goodwill, billing_error"),
        ("at", NOW + timedelta(hours=1), "later than now"),
        ("metric", "summ", "metric: tenant acme has no meter 'summ'"),
        ("customer_ref", "globx", "customer: nothing is known of 'globx'"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_written(
    billed: psycopg.Connection[Any], field: str, content: Any, words: str
) -> None:
    asked = Request("globex", "sum", BEFORE, Decimal(5), "correction", "")
    with pytest.raises(AdjustmentRefused, match=words):
        create(billed, TENANT, replace(asked, **{field: content}), "ada", FixedClock(NOW))
    assert list_adjustments(billed, TENANT) == []


def test_trailing_zeros_are_no_decimals(billed: psycopg.Connection[Any]) -> None:
    request = Request("globex", "sum", BEFORE, Decimal("1.50" + "0" * 30), "correction", "")
    assert create(billed, TENANT, request, "ada", FixedClock(NOW)).amount == Decimal("1.5")
