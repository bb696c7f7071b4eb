"""Stripe's price objects, as JSON and from the SDK, and the same amounts as the local Stripe's own code."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st
from price_samples import amounts, unhurried
from stripe_side import StripeSide, local_stripe

from stripe_sandbox.pricing import charges
from tally.clock import SystemClock
from tally.pricing import Price, PricingError, price_from_stripe, price_line, stripe_amounts
from tally.pricing.errors import (
    AmountInvalid,
    TermsConflict,
    TiersMissing,
    TiersNotClosed,
    TiersUnordered,
    UnknownCurrency,
    UnknownModel,
)

PER_UNIT = {
    "id": "price_1",
    "object": "price",
    "billing_scheme": "per_unit",
    "currency": "usd",
    "recurring": {"interval": "month", "usage_type": "metered"},
    "tiers_mode": None,
    "transform_quantity": None,
    "unit_amount": None,
    "unit_amount_decimal": "0.5",
}


def tier(up_to: int | str | None, unit: str | None = "1", flat: str | None = None) -> dict[str, Any]:
    return {"up_to": up_to, "unit_amount_decimal": unit, "flat_amount_decimal": flat}


def tiered(mode: str, *tiers: dict[str, Any], **changes: Any) -> dict[str, Any]:
    shape = {"billing_scheme": "tiered", "tiers_mode": mode, "tiers": list(tiers), "unit_amount_decimal": None}
    return PER_UNIT | shape | changes


IN_PAIRS = {"divide_by": 2, "round": "up"}


def test_what_a_price_object_says() -> None:
    price = price_from_stripe(PER_UNIT)
    assert (price.id, price.model, price.usage, price.currency.code) == ("price_1", "per_unit", "metered", "usd")
    assert price.unit_amount == Decimal("0.5")
    assert price_from_stripe(PER_UNIT | {"recurring": None}).usage == "licensed"
    package = price_from_stripe(PER_UNIT | {"transform_quantity": {"divide_by": 1000, "round": "down"}})
    assert (package.model, price_line(package, 2999).billed_quantity) == ("package", 2)
    whole = {key: value for key, value in PER_UNIT.items() if key != "unit_amount_decimal"} | {"unit_amount": 7}
    assert price_from_stripe(whole).unit_amount == 7
    graduated = price_from_stripe(tiered("graduated", tier(10, "1", "500"), tier("inf", None, "2")))
    assert [(each.up_to, each.unit_amount, each.flat_amount) for each in graduated.tiers] == [
        (10, 1, 500),
        (None, 0, 2),
    ]


@pytest.mark.parametrize(
    ("changed", "error", "field"),
    [
        ({"billing_scheme": "per_moon"}, UnknownModel, "billing_scheme"),
        ({"billing_scheme": None}, UnknownModel, "billing_scheme"),
        ({"currency": None}, UnknownCurrency, "currency"),
        ({"unit_amount_decimal": None}, AmountInvalid, "unit_amount_decimal"),
        ({"unit_amount_decimal": 0.5}, AmountInvalid, "unit_amount_decimal"),
        ({"unit_amount_decimal": "much"}, AmountInvalid, "unit_amount_decimal"),
        ({"transform_quantity": {"divide_by": 0, "round": "up"}}, AmountInvalid, "package.divide_by"),
        ({"transform_quantity": {"divide_by": 2, "round": "near"}}, UnknownModel, "package.round"),
        ({"recurring": {"usage_type": "guessed"}}, UnknownModel, "usage"),
        (tiered("cumulative", tier(None)), UnknownModel, "tiers_mode"),
        (tiered("graduated", tier(None), tiers=None), TiersMissing, "tiers"),
        (tiered("graduated"), TiersMissing, "tiers"),
        (tiered("graduated", tier(10)), TiersNotClosed, "tiers.0.up_to"),
        (tiered("volume", tier(0), tier(None)), TiersUnordered, "tiers.0.up_to"),
        (tiered("volume", tier(10), tier(None, None)), AmountInvalid, "tiers.1.unit_amount_decimal"),
        (tiered("volume", tier(None), transform_quantity=IN_PAIRS), TermsConflict, "transform_quantity"),
    ],
)  # fmt: skip
def test_what_a_price_object_must_not_say(changed: dict[str, Any], error: type[PricingError], field: str) -> None:
    with pytest.raises(error) as caught:
        price_from_stripe(PER_UNIT | changed)
    assert caught.value.field == field


@st.composite
def stripe_prices(draw: st.DrawFn) -> dict[str, Any]:
    """Any price that Stripe can have; flat amounts whole, for the local Stripe rounds them with their tier's units."""
    if draw(st.booleans()):
        package = {"divide_by": draw(st.integers(1, 500)), "round": draw(st.sampled_from(["up", "down"]))}
        return PER_UNIT | {
            "unit_amount_decimal": str(draw(amounts)),
            "transform_quantity": draw(st.none() | st.just(package)),
        }
    ends: list[int | None] = [*sorted(draw(st.sets(st.integers(1, 2000), max_size=4))), None]
    flats = st.integers(0, 1000).map(str)
    tiers = [tier(end, str(draw(amounts)), draw(flats)) for end in ends]
    return tiered(draw(st.sampled_from(["graduated", "volume"])), *tiers)


usage = st.integers(0, 3000).map(Decimal) | st.decimals(0, 10**6, places=6) | st.decimals(0, 3000, places=12)


@unhurried
@given(document=stripe_prices(), quantity=usage)
def test_the_local_stripe_charges_the_same(document: dict[str, Any], quantity: Decimal) -> None:
    line = price_line(price_from_stripe(document), quantity)
    theirs = document | {"_tiers": document.get("tiers")}
    assert sum(charge.amount for charge in charges(theirs, quantity)) == sum(stripe_amounts(line))
    [once] = charges(theirs, quantity, line_per_graduated_tier=False)
    assert once.amount == line.amount_minor


def graduated(*tiers: Any) -> dict[str, Any]:
    return {"tiers_mode": "graduated", "tiers": tiers}


def volume(*tiers: Any) -> dict[str, Any]:
    return {"tiers_mode": "volume", "tiers": tiers}


@pytest.fixture(scope="module")
def stripe_side(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StripeSide]:
    folder: Path = tmp_path_factory.mktemp("stripe")
    with local_stripe(folder) as side:
        yield side


@pytest.mark.parametrize(
    ("terms", "used"),
    [
        ({"unit_amount_decimal": "0.25"}, "1234.6"),
        ({"unit_amount": 700, "transform_quantity": {"divide_by": 1000, "round": "up"}}, "2000.5"),
        (graduated({"up_to": 1000, "unit_amount": 0}, {"up_to": "inf", "unit_amount_decimal": "2"}), "5247"),
        (graduated({"up_to": 9, "flat_amount": 999}, {"up_to": "inf", "unit_amount": 3}), "0"),
        (volume({"up_to": 5, "unit_amount": 700}, {"up_to": "inf", "unit_amount": 650, "flat_amount": 10}), "6"),
    ],
)  # fmt: skip
def test_a_preview_of_the_local_stripe_is_our_line(stripe_side: StripeSide, terms: Any, used: str) -> None:
    client, now = stripe_side.client, SystemClock().now()
    name = f"usage_{abs(hash((str(terms), used)))}"
    meter = stripe_side.meter(name)
    scheme = "tiered" if "tiers" in terms else "per_unit"
    recurring = {"interval": "month", "usage_type": "metered", "meter": meter}
    created = client.v1.prices.create(
        {"currency": "usd", "product_data": {"name": name}, "billing_scheme": scheme, "recurring": recurring, **terms}
    )
    retrieved: stripe.Price = client.v1.prices.retrieve(created.id, {"expand": ["tiers"]})
    customer = stripe_side.customer(None, None)
    subscription = client.v1.subscriptions.create({"customer": customer, "items": [{"price": created.id}]})
    if Decimal(used):
        stripe_side.send(customer, name, used, now + timedelta(seconds=1), f"{name}_1")
        stripe_side.until_applied()
    preview = client.v1.invoices.create_preview({"subscription": subscription.id})
    price: Price = price_from_stripe(retrieved)
    assert sum(line.amount for line in preview.lines.data) == sum(stripe_amounts(price_line(price, used)))
    assert sum(line.quantity_decimal or 0 for line in preview.lines.data) == Decimal(used)
