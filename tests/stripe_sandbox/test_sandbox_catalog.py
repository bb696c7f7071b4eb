"""Customers, products, prices and meters."""

from decimal import Decimal
from typing import Any

import pytest
import stripe
from sandbox_shop import Shop


def test_a_customer_lives_changes_and_is_deleted(shop: Shop) -> None:
    customer = shop.v1.customers.create({"name": "UA", "email": "a@b.c", "metadata": {"ref": "UA", "old": "1"}})
    changed = shop.v1.customers.update(customer.id, {"name": "United", "metadata": {"old": "", "new": "2"}})
    assert (changed.name, changed.email) == ("United", "a@b.c")
    assert changed.metadata is not None
    assert changed.metadata.to_dict() == {"ref": "UA", "new": "2"}
    assert [each.id for each in shop.v1.customers.list({"email": "a@b.c"})] == [customer.id]
    assert shop.v1.customers.delete(customer.id).deleted is True
    assert shop.v1.customers.retrieve(customer.id).deleted is True
    assert shop.v1.customers.list().data == []
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.v1.customers.update(customer.id, {"name": "x"})
    assert caught.value.http_status == 404


def test_customers_on_a_clock_are_listed_only_with_it(shop: Shop) -> None:
    clock = shop.clock()
    real, clocked = shop.customer(), shop.customer(clock)
    assert [each.id for each in shop.v1.customers.list()] == [real.id]
    assert [each.id for each in shop.v1.customers.list({"test_clock": clock.id})] == [clocked.id]
    assert clocked.created == clock.frozen_time
    with pytest.raises(stripe.InvalidRequestError):
        shop.v1.customers.create({"test_clock": "clock_none"})


def test_products_keep_their_given_id(shop: Shop) -> None:
    product = shop.v1.products.create({"id": "airport", "name": "Airport"})
    assert product.id == "airport"
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.v1.products.create({"id": "airport", "name": "Again"})
    assert caught.value.code == "resource_already_exists"
    assert shop.v1.products.update("airport", {"active": False}).active is False
    assert shop.v1.products.list({"active": True}).data == []
    assert shop.v1.products.retrieve("airport").name == "Airport"


def test_sub_cent_prices_are_exact_and_have_no_whole_amount(shop: Shop) -> None:
    price = shop.metered_price(shop.meter(), unit_amount_decimal="0.000000000001", lookup_key="tiny")
    assert (price.unit_amount, price.unit_amount_decimal) == (None, Decimal("1E-12"))
    whole = shop.v1.prices.create({"currency": "USD", "product": str(price.product), "unit_amount": 250})
    assert (whole.unit_amount, whole.unit_amount_decimal, whole.type) == (250, Decimal(250), "one_time")
    assert [each.id for each in shop.v1.prices.list({"lookup_keys": ["tiny"]})] == [price.id]
    assert shop.v1.prices.update(whole.id, {"active": False, "nickname": "old"}).nickname == "old"
    assert [each.id for each in shop.v1.prices.list({"active": True})] == [price.id]


GOOD_TIERS = [{"up_to": 5, "unit_amount": 1}, {"up_to": "inf", "unit_amount": 1}]


@pytest.mark.parametrize(
    ("terms", "param"),
    [
        ({"unit_amount_decimal": "0.0000000000001"}, "unit_amount_decimal"),
        ({"unit_amount_decimal": "-1"}, "unit_amount_decimal"),
        ({"unit_amount_decimal": "x"}, "unit_amount_decimal"),
        ({"nickname": "without amount"}, "unit_amount"),
        ({"unit_amount": 1, "tiers": GOOD_TIERS}, "tiers"),
        ({"billing_scheme": "tiered", "tiers": GOOD_TIERS}, "tiers_mode"),
        ({"billing_scheme": "tiered", "tiers_mode": "volume"}, "tiers"),
        ({"billing_scheme": "tiered", "tiers_mode": "volume", "tiers": GOOD_TIERS[:1]}, "tiers"),
        ({"billing_scheme": "tiered", "tiers_mode": "volume", "tiers": GOOD_TIERS[::-1]}, "tiers[1][up_to]"),
        ({"unit_amount": 1, "transform_quantity": {"divide_by": 0, "round": "up"}}, "transform_quantity[divide_by]"),
    ],
)
def test_prices_that_could_not_be_computed_are_refused(shop: Shop, terms: dict[str, Any], param: str) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.metered_price(shop.meter(), **terms)
    assert caught.value.param == param


def test_a_metered_price_needs_a_meter_and_only_it_may_have_one(shop: Shop) -> None:
    product, meter = shop.v1.products.create({"name": "p"}).id, shop.meter()
    for recurring in ({"usage_type": "metered"}, {"meter": meter.id}, {"usage_type": "metered", "meter": "mtr_none"}):
        with pytest.raises(stripe.InvalidRequestError) as caught:
            shop.v1.prices.create(
                {
                    "currency": "usd",
                    "product": product,
                    "unit_amount": 1,
                    "recurring": {"interval": "month", **recurring},
                }
            )
        assert caught.value.param == "recurring[meter]"


def test_one_active_meter_per_event_name(shop: Shop) -> None:
    first = shop.meter("calls")
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.meter("calls")
    assert caught.value.param == "event_name"
    assert shop.v1.billing.meters.deactivate(first.id).status == "inactive"
    second = shop.meter("calls")
    with pytest.raises(stripe.InvalidRequestError):
        shop.v1.billing.meters.reactivate(first.id)
    shop.v1.billing.meters.deactivate(second.id)
    assert shop.v1.billing.meters.reactivate(first.id).status == "active"
    assert [meter.id for meter in shop.v1.billing.meters.list({"status": "active"})] == [first.id]
    assert shop.v1.billing.meters.update(first.id, {"display_name": "Calls"}).display_name == "Calls"
    assert shop.v1.billing.meters.retrieve(first.id).default_aggregation.formula == "sum"
    with pytest.raises(stripe.InvalidRequestError):
        shop.v1.billing.meters.deactivate(second.id)
