"""Trials, in which usage bills nothing, and pauses of collection, in which invoices are made and not collected."""

from typing import Any

import pytest
import stripe
from sandbox_shop import FEBRUARY, HOUR, JANUARY, MARCH, Shop

DAY = 86400


@pytest.fixture
def price(shop: Shop) -> stripe.Price:
    return shop.metered_price(shop.meter())


def test_usage_in_a_trial_is_billed_at_nothing_and_the_cycle_begins_at_its_end(shop: Shop, price: stripe.Price) -> None:
    clock = shop.clock()
    customer = shop.customer(clock)
    subscription = shop.subscribe(customer, price, trial_period_days=7)
    trial_end = JANUARY + 7 * DAY
    assert (subscription.status, subscription.trial_end, subscription.billing_cycle_anchor) == (
        "trialing", trial_end, trial_end,
    )  # fmt: skip
    assert [(invoice.total, invoice.status) for invoice in shop.invoices(customer)] == [(0, "paid")]
    shop.use(customer, "100", JANUARY)
    assert shop.v1.invoices.create_preview({"subscription": subscription.id}).total == 0
    shop.advance(clock, trial_end + 2 * HOUR)
    running = shop.v1.subscriptions.retrieve(subscription.id)
    assert running.status == "active"
    [item] = running["items"].data
    assert (item.current_period_start, item.current_period_end) == (trial_end, FEBRUARY + 7 * DAY)
    assert [(line.quantity, line.amount) for line in shop.invoices(customer)[0].lines] == [(100, 0)]
    shop.use(customer, "10", trial_end + HOUR)
    shop.advance(clock, FEBRUARY + 7 * DAY + 2 * HOUR)
    assert shop.invoices(customer)[0].total == 5


def test_a_trial_ends_early_when_asked_to(shop: Shop, price: stripe.Price) -> None:
    clock = shop.clock()
    customer = shop.customer(clock)
    subscription = shop.subscribe(customer, price, trial_end=FEBRUARY)
    shop.advance(clock, JANUARY + DAY)
    ended = shop.v1.subscriptions.update(subscription.id, {"trial_end": "now"})
    [item] = ended["items"].data
    assert (ended.status, ended.trial_end, item.current_period_start) == ("active", JANUARY + DAY, JANUARY + DAY)
    with pytest.raises(stripe.InvalidRequestError, match="trial"):
        shop.v1.subscriptions.update(subscription.id, {"trial_end": "now"})


def test_an_anchored_cycle_is_cut_by_a_trials_end(shop: Shop, price: stripe.Price) -> None:
    clock = shop.clock()
    extra: Any = {"trial_end": JANUARY + 7 * DAY, "billing_cycle_anchor": JANUARY + 20 * DAY}
    subscription = shop.subscribe(shop.customer(clock), price, **extra)
    shop.advance(clock, JANUARY + 8 * DAY)
    [item] = shop.v1.subscriptions.retrieve(subscription.id)["items"].data
    assert (item.current_period_start, item.current_period_end) == (JANUARY + 7 * DAY, JANUARY + 20 * DAY)


@pytest.mark.parametrize(
    ("behavior", "status"), [("keep_as_draft", "draft"), ("void", "void"), ("mark_uncollectible", "uncollectible")]
)
def test_a_pause_decides_what_becomes_of_the_invoice(
    shop: Shop, price: stripe.Price, behavior: Any, status: str
) -> None:
    clock = shop.clock()
    customer = shop.customer(clock)
    subscription = shop.subscribe(customer, price)
    pause: Any = {"behavior": behavior, "resumes_at": FEBRUARY + DAY}
    paused = shop.v1.subscriptions.update(subscription.id, {"pause_collection": pause})
    assert (paused.status, paused.pause_collection and paused.pause_collection.behavior) == ("active", behavior)
    shop.use(customer, "100", JANUARY)
    shop.advance(clock, FEBRUARY + 2 * HOUR)
    [invoice] = shop.invoices(customer)
    assert (invoice.status, invoice.total, invoice.auto_advance) == (status, 50, behavior != "keep_as_draft")
    shop.use(customer, "10", FEBRUARY + HOUR)
    shop.advance(clock, MARCH + 2 * HOUR)
    assert [(invoice.status, invoice.total) for invoice in shop.invoices(customer)] == [("open", 5), (status, 50)]
    assert shop.v1.subscriptions.retrieve(subscription.id).pause_collection is None


def test_a_pause_is_lifted_on_request(shop: Shop, price: stripe.Price) -> None:
    subscription = shop.subscribe(shop.customer(), price)
    update = shop.v1.subscriptions.update
    update(subscription.id, {"pause_collection": {"behavior": "void"}})
    assert update(subscription.id, {"pause_collection": ""}).pause_collection is None
