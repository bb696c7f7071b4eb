"""A price changed in mid-period: what each billing mode bills of the usage before it."""

from typing import Any

import pytest
import stripe
from sandbox_shop import FEBRUARY, HOUR, JANUARY, MARCH, Shop

CHANGED = JANUARY + 10 * 86400


@pytest.mark.parametrize(
    ("mode", "behavior", "lines"),
    [
        # 100 × 0.5 before, 10 × 2 after: as an invoice item beside the usage line, or lost.
        ("flexible", "create_prorations", {("invoice_item_details", 50), ("subscription_item_details", 20)}),
        ("flexible", "always_invoice", {("subscription_item_details", 20)}),
        ("flexible", "none", {("subscription_item_details", 20)}),
        ("classic", "create_prorations", {("subscription_item_details", 20)}),
    ],
)
def test_usage_before_a_change_is_billed_apart_or_lost(shop: Shop, mode: Any, behavior: Any, lines: set[Any]) -> None:
    meter = shop.meter()
    cheap, dear = shop.metered_price(meter), shop.metered_price(meter, unit_amount=2)
    clock = shop.clock()
    customer = shop.customer(clock)
    subscription = shop.subscribe(customer, cheap, billing_mode={"type": mode})
    [item] = subscription["items"].data
    shop.use(customer, "100", JANUARY)
    shop.advance(clock, CHANGED)
    changed = shop.v1.subscription_items.update(item.id, {"price": dear.id, "proration_behavior": behavior})
    assert (changed.id, changed.price.id) == (item.id, dear.id)
    assert (changed.current_period_start, changed.current_period_end) == (JANUARY, FEBRUARY)
    shop.use(customer, "1000", JANUARY + 2 * HOUR)  # too late for the part before the change
    shop.use(customer, "10", CHANGED)
    preview = shop.v1.invoices.create_preview({"subscription": subscription.id})
    shop.advance(clock, FEBRUARY + 2 * HOUR)
    invoice = shop.invoices(customer)[0]
    for bill in (preview, invoice):
        assert {(line.parent.type, line.amount) for line in bill.lines if line.parent and line.amount} == lines
    [after] = [line for line in invoice.lines if line.amount == 20]
    assert (after.period.start, after.period.end, after.quantity) == (CHANGED, FEBRUARY, 10)
    swapped = [each for each in shop.invoices(customer) if each.billing_reason == "subscription_update"]
    assert [each.total for each in swapped] == ([50] if behavior == "always_invoice" else [])
    shop.use(customer, "3", FEBRUARY + 2 * HOUR)
    shop.advance(clock, MARCH + 2 * HOUR)
    assert [(line.quantity, line.amount) for line in shop.invoices(customer)[0].lines] == [(3, 6)]


def test_a_licensed_items_rest_is_credited_and_charged(shop: Shop) -> None:
    product = shop.v1.products.create({"name": "seat"}).id
    recurring: Any = {"interval": "month"}
    cheap, dear = (
        shop.v1.prices.create({"currency": "usd", "product": product, "unit_amount": amount, "recurring": recurring})
        for amount in (3100, 6200)
    )
    clock = shop.clock()
    customer = shop.customer(clock)
    subscription = shop.subscribe(customer, cheap)
    shop.advance(clock, JANUARY + 31 * 86400 // 2)
    change: Any = {"id": subscription["items"].data[0].id, "price": dear.id}
    shop.v1.subscriptions.update(subscription.id, {"items": [change]})
    shop.advance(clock, FEBRUARY + 2 * HOUR)
    assert sorted(line.amount for line in shop.invoices(customer)[0].lines) == [-1550, 3100, 6200]


def test_only_a_price_of_the_same_kind_takes_its_place(shop: Shop) -> None:
    meter = shop.meter()
    subscription = shop.subscribe(shop.customer(), shop.metered_price(meter))
    yearly = shop.metered_price(meter, "year")
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.v1.subscription_items.update(subscription["items"].data[0].id, {"price": yearly.id})
    assert caught.value.code == "parameter_not_in_sandbox"
