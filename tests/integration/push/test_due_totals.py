"""Reads are an allowance: each is booked, only what is due is read, and a killed sweep goes on where it was."""

from datetime import timedelta
from decimal import Decimal

import pytest
from push_billing import END, NOW, START, TENANT, Billing

import tally.stripe.totals
from tally.pricing import price_from_stripe, price_line
from tally.reconciliation.check import Scope, check
from tally.stripe.reads import LEAST_READS, read_budget
from tally.stripe.requests import CountedRequests
from tally.stripe.sync import sync_subscriptions
from tally.stripe.totals import TotalsResult, read_totals
from tally.stripe.totals_keys import sample_after

HOUR = timedelta(hours=1)


def read_due(billing: Billing, allowance: int | None = None) -> TotalsResult:
    billing.stripe.until_applied()
    return read_totals(
        billing.connection, billing.account, TENANT, billing.clock, only_due=True, allowance=allowance,
        starting_in=(START, START + HOUR),
    )  # fmt: skip


def booked(billing: Billing) -> dict[str, int]:
    rows = billing.connection.execute("select purpose, sum(reads) from tally.stripe_reads group by 1").fetchall()
    return {purpose: int(reads) for purpose, reads in rows}


def forget_reads(billing: Billing, but: int = 0) -> None:
    """The test's own clock is read through the same account: those GETs are not the product's."""
    assert isinstance(billing.account.http, CountedRequests)
    billing.account.http.take_gets()
    assert sum(booked(billing).values()) == but or not but
    if not but:
        billing.connection.execute("delete from tally.stripe_reads")


def test_only_what_is_due_is_read(billing: Billing) -> None:
    assert read_due(billing).keys == 6  # nothing was read yet
    assert read_due(billing).keys == 0
    billing.count("globex", "api_calls", "5")
    billing.push()
    assert read_due(billing).keys == 1  # its total moved
    billing.clock.at += timedelta(minutes=16)
    assert read_due(billing).keys == 1  # the last reading may have lacked it: it was within the lag budget
    assert read_due(billing).keys == 0
    billing.clock.at += sample_after(6, LEAST_READS)
    assert read_due(billing).keys == 6  # a sample of the rest: so few that it is all of them
    billing.clock.at = END - HOUR
    assert [read_due(billing).keys for _ in range(2)] == [6, 6]  # until the invoice is final, every time
    billing.clock.at = END + 2 * HOUR
    billing.stripe.advance(billing.test_clock, billing.clock.at)
    assert [read_due(billing).keys for _ in range(2)] == [6, 0]


def test_every_get_is_booked_and_the_urgent_ones_go_beyond_the_allowance(billing: Billing) -> None:
    forget_reads(billing)
    sync_subscriptions(billing.connection, billing.account, TENANT, billing.clock)
    assert booked(billing) == {"sync": 4}  # meters, test clocks, subscriptions without one and with one
    read_due(billing)
    assert booked(billing) == {"sync": 4, "totals": 9}  # six summaries, three lists of invoices; previews are POSTs
    budget = read_budget(billing.connection, billing.account, TENANT, NOW)
    assert (budget.used, budget.allowance, budget.left) == (13, LEAST_READS, LEAST_READS - 13)
    assert read_budget(billing.connection, billing.account, TENANT, NOW + timedelta(days=31)).used == 0

    billing.clock.at += timedelta(days=1)
    billing.stripe.advance(billing.test_clock, billing.clock.at)
    forget_reads(billing, but=13)
    billing.count("globex", "api_calls", "5")
    assert billing.push().confirmed == 1
    result = read_due(billing, allowance=20)
    assert (result.keys, result.waiting) == (1, 5)  # what changed; samples only while a fifth of the allowance is left
    result = read_due(billing, allowance=13)
    assert (result.keys, result.waiting) == (0, 6)
    billing.clock.at = END - HOUR
    assert read_due(billing, allowance=13).keys == 6


def test_a_sweep_that_was_killed_goes_on(billing: Billing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tally.stripe.totals, "KEYS_AT_ONCE", 2)
    scope = Scope((START, START + HOUR), everything=True)

    def kill(done: int, _of: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check(billing.connection, [billing.account], TENANT, billing.clock, scope, on_progress=kill)
    billing.clock.at += timedelta(minutes=1)
    assert [sweep(billing, scope) for _ in range(2)] == [2, 6]
    assert billing.one("select count(*) from tally.reconciliation_sweeps") == 0


def sweep(billing: Billing, scope: Scope) -> int:
    return check(billing.connection, [billing.account], TENANT, billing.clock, scope).read


def test_a_price_is_mirrored_once_with_its_tiers_and_an_item_keeps_its_prices(billing: Billing) -> None:
    client = billing.stripe.client
    price = client.v1.prices.create({
        "currency": "usd",
        "product_data": {"name": "tiered"},
        "recurring": {"interval": "month", "usage_type": "metered", "meter": billing.stripe.meters["api_calls"]},
        "billing_scheme": "tiered",
        "tiers_mode": "graduated",
        "tiers": [{"up_to": 10, "unit_amount_decimal": Decimal("0.5")}, {"up_to": "inf", "flat_amount": 100}],
    })  # fmt: skip
    forget_reads(billing)
    customer = billing.stripe.customer("hooli", billing.test_clock)
    client.v1.subscriptions.create({"customer": customer, "items": [{"price": price.id}]})
    for _ in range(2):
        sync_subscriptions(billing.connection, billing.account, TENANT, billing.clock)
    assert booked(billing) == {"sync": 4 + 1 + 4}  # and the tiers, once
    document = billing.one(f"select price from tally.stripe_prices where price_id = '{price.id}'")
    assert price_line(price_from_stripe(document), 12).amount_minor == 105
    had = "select price_id from tally.stripe_item_prices as had join tally.stripe_subscription_items as item"
    assert billing.one(f"{had} using (item_id, price_id) where item.customer_ref = 'hooli'") == price.id

    billing.connection.execute("update tally.stripe_item_prices set price_id = 'price_before'")
    sync_subscriptions(billing.connection, billing.account, TENANT, billing.clock)
    # hooli's item began at this very moment, so its price is another one from its first moment on.
    prices = "select item_id, count(distinct from_at) from tally.stripe_item_prices group by item_id"
    assert sorted(number for _, number in billing.connection.execute(prices).fetchall()) == [1, 2, 2, 2, 2, 2, 2]
