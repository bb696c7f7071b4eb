"""Subscriptions and their items: periods to the second, anchors, listing, ending."""

from datetime import UTC, datetime
from typing import Any

import pytest
import stripe
from sandbox_shop import FEBRUARY, JANUARY, MARCH, Shop, eventually

DAY = 86400


def period(subscription: Any) -> tuple[int, int]:
    item = subscription["items"].data[0]
    return item.current_period_start, item.current_period_end


@pytest.fixture
def price(shop: Shop) -> stripe.Price:
    return shop.metered_price(shop.meter())


def test_four_metered_items_share_a_period_anchored_at_the_frozen_second(shop: Shop) -> None:
    customer = shop.customer(shop.clock())
    prices = [shop.metered_price(shop.meter(name)) for name in ("departures", "air_minutes", "peak", "last")]
    subscription = shop.subscribe(customer, *prices, billing_cycle_anchor=JANUARY)
    items = subscription["items"].data
    assert {(item.current_period_start, item.current_period_end) for item in items} == {(JANUARY, FEBRUARY)}
    assert [item.price.id for item in items] == [price.id for price in prices]
    assert [item.price.recurring.meter for item in items] == [price.recurring.meter for price in prices]
    assert (subscription.billing_cycle_anchor, subscription.status) == (JANUARY, "active")
    assert shop.invoices(customer) == []  # nothing is due before usage, in flexible billing mode


def test_a_later_anchor_makes_a_short_first_period(shop: Shop, price: stripe.Price) -> None:
    clock = shop.clock()
    customer = shop.customer(clock)
    subscription = shop.subscribe(customer, price, billing_cycle_anchor=JANUARY + 10 * DAY)
    assert period(subscription) == (JANUARY, JANUARY + 10 * DAY)
    shop.advance(clock, JANUARY + 11 * DAY)
    assert period(shop.v1.subscriptions.retrieve(subscription.id)) == (JANUARY + 10 * DAY, FEBRUARY + 10 * DAY)


def test_backdating_starts_the_first_period_in_the_past(shop: Shop, price: stripe.Price) -> None:
    customer = shop.customer(shop.clock(JANUARY + 10 * DAY))
    extra: Any = {"backdate_start_date": JANUARY, "billing_cycle_anchor": FEBRUARY, "proration_behavior": "none"}
    subscription = shop.subscribe(customer, price, **extra)
    assert (period(subscription), subscription.start_date) == ((JANUARY, FEBRUARY), JANUARY)


def test_an_anchor_by_day_of_month_clips_and_recovers(shop: Shop, price: stripe.Price) -> None:
    clock = shop.clock(int(datetime(2013, 2, 10, tzinfo=UTC).timestamp()))
    anchor = {"day_of_month": 31, "hour": 0, "minute": 0, "second": 0}
    subscription = shop.subscribe(shop.customer(clock), price, billing_cycle_anchor_config=anchor)
    dates = []
    for _ in range(2):
        end = period(subscription)[1]
        dates.append(datetime.fromtimestamp(end, UTC))
        shop.advance(clock, end)
        subscription = shop.v1.subscriptions.retrieve(subscription.id)
    assert [(date.month, date.day, date.hour, date.second) for date in dates] == [(2, 28, 0, 0), (3, 31, 0, 0)]


@pytest.mark.parametrize(
    ("extra", "param"),
    [
        ({"billing_cycle_anchor": JANUARY - 1}, "billing_cycle_anchor"),
        ({"billing_cycle_anchor": FEBRUARY + 1}, "billing_cycle_anchor"),
        ({"backdate_start_date": JANUARY + 1}, "backdate_start_date"),
        ({"items": []}, "items"),
        ({"items": [{"price": "price_none"}]}, "items[0][price]"),
    ],
)
def test_impossible_subscriptions_are_refused(
    shop: Shop, price: stripe.Price, extra: dict[str, Any], param: str
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.subscribe(shop.customer(shop.clock()), price, **extra)
    assert caught.value.param == param


def test_a_metered_item_takes_no_quantity(shop: Shop, price: stripe.Price) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.subscribe(shop.customer(shop.clock()), price, items=[{"price": price.id, "quantity": 3}])
    assert caught.value.param == "quantity"


def test_lists_show_what_runs_and_what_is_asked_for(shop: Shop, price: stripe.Price) -> None:
    clock = shop.clock()
    clocked, real = shop.customer(clock), shop.customer()
    on_clock, in_real_time = shop.subscribe(clocked, price), shop.subscribe(real, price)
    ended = shop.subscribe(real, price)
    shop.v1.subscriptions.cancel(ended.id)

    def ids(**filters: Any) -> list[str]:
        return [each.id for each in shop.v1.subscriptions.list(filters, None)]

    assert ids() == [in_real_time.id]
    assert ids(customer=clocked.id) == [on_clock.id]
    assert ids(test_clock=clock.id) == [on_clock.id]
    assert ids(customer=real.id, status="all") == [ended.id, in_real_time.id]
    assert ids(status="canceled") == ids(status="ended") == [ended.id]


def test_items_are_added_changed_and_removed(shop: Shop, price: stripe.Price) -> None:
    clock = shop.clock()
    subscription = shop.subscribe(shop.customer(clock), price)
    shop.advance(clock, JANUARY + 5 * DAY)
    other = shop.metered_price(shop.meter("other"))
    items = shop.v1.subscription_items
    added = items.create({"subscription": subscription.id, "price": other.id})
    assert (added.current_period_start, added.current_period_end) == (JANUARY + 5 * DAY, FEBRUARY)
    assert [item.price.id for item in items.list({"subscription": subscription.id})] == [price.id, other.id]
    changed = items.update(added.id, {"metadata": {"metric": "other"}})
    assert items.retrieve(added.id).metadata.to_dict() == changed.metadata.to_dict() == {"metric": "other"}
    with pytest.raises(stripe.InvalidRequestError, match="already has this price"):
        items.update(added.id, {"price": price.id})
    assert items.delete(added.id).deleted is True
    with pytest.raises(stripe.InvalidRequestError, match="at least one item"):
        items.delete(subscription["items"].data[0].id)
    shop.v1.subscriptions.update(subscription.id, {"items": [{"price": other.id}]})
    assert len(shop.v1.subscriptions.retrieve(subscription.id)["items"].data) == 2


@pytest.mark.parametrize(("invoice_now", "totals"), [(False, []), (True, [50])])
def test_cancelling_now_bills_usage_only_when_asked_to(
    shop: Shop, price: stripe.Price, invoice_now: bool, totals: list[int]
) -> None:
    clock = shop.clock()
    customer = shop.customer(clock)
    subscription = shop.subscribe(customer, price)
    shop.use(customer, "100", JANUARY)
    shop.advance(clock, JANUARY + DAY)
    ended = shop.v1.subscriptions.cancel(subscription.id, {"invoice_now": invoice_now})
    assert (ended.status, ended.ended_at, ended.canceled_at) == ("canceled", JANUARY + DAY, JANUARY + DAY)
    assert [invoice.total for invoice in shop.invoices(customer)] == totals
    with pytest.raises(stripe.InvalidRequestError):
        shop.v1.subscriptions.cancel(subscription.id)


def test_cancelling_at_the_periods_end_bills_the_period_and_no_other(shop: Shop, price: stripe.Price) -> None:
    clock = shop.clock()
    customer = shop.customer(clock)
    subscription = shop.subscribe(customer, price)
    updated = shop.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})
    assert (updated.cancel_at_period_end, updated.cancel_at) == (True, FEBRUARY)
    shop.use(customer, "100", JANUARY)
    shop.advance(clock, MARCH)
    ended = shop.v1.subscriptions.retrieve(subscription.id)
    assert (ended.status, ended.ended_at) == ("canceled", FEBRUARY)
    assert [(invoice.total, invoice.status) for invoice in shop.invoices(customer)] == [(50, "open")]


def test_deleting_a_customer_ends_its_subscriptions(shop: Shop, price: stripe.Price) -> None:
    customer = shop.customer()
    subscription = shop.subscribe(customer, price)
    shop.v1.customers.delete(customer.id)
    assert shop.v1.subscriptions.retrieve(subscription.id).status == "canceled"


def test_licensed_items_are_paid_in_advance_and_prorated_to_a_later_anchor(shop: Shop) -> None:
    product = shop.v1.products.create({"name": "seat"}).id
    seat = shop.v1.prices.create(
        {"currency": "usd", "product": product, "unit_amount": 3100, "recurring": {"interval": "month"}}
    )
    clock = shop.clock()
    customer = shop.customer(clock)
    shop.subscribe(customer, seat, items=[{"price": seat.id, "quantity": 2}], billing_cycle_anchor=JANUARY + 10 * DAY)
    [first] = shop.invoices(customer)
    assert (first.status, first.total, first.billing_reason) == ("open", 2000, "subscription_create")
    shop.advance(clock, JANUARY + 10 * DAY)
    assert shop.invoices(customer)[0].total == 6200


def test_classic_billing_mode_opens_with_lines_of_zero(shop: Shop, price: stripe.Price) -> None:
    customer = shop.customer(shop.clock())
    shop.subscribe(customer, price, billing_mode={"type": "classic"})
    [first] = shop.invoices(customer)
    assert (first.status, first.total, first.lines.data[0].quantity) == ("paid", 0, 0)


def test_subscriptions_without_a_clock_roll_in_real_time(shop: Shop, price: stripe.Price) -> None:
    customer = shop.customer()
    subscription = shop.subscribe(customer, price)
    shop.use(customer, "10")
    shop.settings(clock_offset_seconds=32 * DAY)
    eventually(lambda: [invoice.total for invoice in shop.invoices(customer, status="open")] == [5])
    assert period(shop.v1.subscriptions.retrieve(subscription.id))[0] == period(subscription)[1]
