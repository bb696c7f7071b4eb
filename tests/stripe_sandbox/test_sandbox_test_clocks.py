"""Test clocks: asynchronous, forwards only, at most two intervals at a time."""

from typing import Any

import pytest
import stripe
from sandbox_shop import FEBRUARY, JANUARY, MARCH, Shop, eventually

APRIL = 1364792400
TWO_YEARS_LATER = 1420088400


def test_advancing_is_asynchronous(shop: Shop) -> None:
    clock = shop.clock()
    advancing = shop.v1.test_helpers.test_clocks.advance(clock.id, {"frozen_time": FEBRUARY})
    assert (advancing.status, advancing.frozen_time) == ("advancing", JANUARY)
    assert advancing.status_details.advancing is not None
    assert advancing.status_details.advancing.target_frozen_time == FEBRUARY
    with pytest.raises(stripe.InvalidRequestError, match="still advancing"):
        shop.v1.test_helpers.test_clocks.advance(clock.id, {"frozen_time": MARCH})
    ready = eventually(lambda: [c for c in shop.v1.test_helpers.test_clocks.list() if c.status == "ready"])
    assert ready[0].frozen_time == FEBRUARY


@pytest.mark.parametrize(
    ("interval", "furthest"),
    [("day", JANUARY + 2 * 86400), ("week", JANUARY + 14 * 86400), ("month", MARCH), ("year", TWO_YEARS_LATER)],
)
def test_at_most_two_intervals_of_the_shortest_subscription(shop: Shop, interval: Any, furthest: int) -> None:
    clock = shop.clock()
    shop.subscribe(shop.customer(clock), shop.metered_price(shop.meter(), interval))
    shop.subscribe(shop.customer(clock), shop.metered_price(shop.meter("yearly"), "year"))
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.advance(clock, furthest + 1)
    assert caught.value.param == "frozen_time"
    shop.advance(clock, furthest)


def test_two_years_without_a_subscription(shop: Shop) -> None:
    clock = shop.clock()
    with pytest.raises(stripe.InvalidRequestError):
        shop.advance(clock, TWO_YEARS_LATER + 1)
    with pytest.raises(stripe.InvalidRequestError):
        shop.advance(clock, JANUARY)
    shop.advance(clock, TWO_YEARS_LATER)


def test_clocks_do_not_move_each_other(shop: Shop) -> None:
    price = shop.metered_price(shop.meter())
    clocks = [shop.clock(), shop.clock()]
    customers = [shop.customer(clock) for clock in clocks]
    for customer in customers:
        shop.subscribe(customer, price)
    shop.advance(clocks[0], FEBRUARY)
    assert [len(shop.invoices(customer)) for customer in customers] == [1, 0]


def test_deleting_a_clock_takes_its_world_along(shop: Shop) -> None:
    clock = shop.clock()
    customer = shop.customer(clock)
    subscription = shop.subscribe(customer, shop.metered_price(shop.meter()))
    shop.advance(clock, FEBRUARY)
    assert shop.v1.test_helpers.test_clocks.delete(clock.id).deleted is True
    for gone in (
        lambda: shop.v1.customers.retrieve(customer.id),
        lambda: shop.v1.subscriptions.retrieve(subscription.id),
        lambda: shop.v1.subscription_items.retrieve(subscription["items"].data[0].id),
        lambda: shop.v1.test_helpers.test_clocks.retrieve(clock.id),
    ):
        with pytest.raises(stripe.InvalidRequestError) as caught:
            gone()
        assert caught.value.http_status == 404
    assert shop.v1.invoices.list().data == []


def test_clocks_exist_in_test_mode_only(shop: Shop) -> None:
    with pytest.raises(stripe.PermissionError):
        shop.client("sk_live_a").v1.test_helpers.test_clocks.create({"frozen_time": JANUARY})
