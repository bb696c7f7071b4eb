"""Each edge on purpose."""

from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from price_samples import oracle, per_unit, prices, quantities, tiered, unhurried

from tally.pricing import Package, Price, currency_of, price_delta, price_line, prorated, stripe_amounts
from tally.pricing.errors import QuantityInvalid, TermsConflict

WITH_FLATS = [(10, 100, 500), (20, 50, 300), (None, 10, 200)]


@unhurried
@given(price=prices(), quantity=quantities)
def test_every_line_is_what_whole_fractions_say(price: Price, quantity: Decimal) -> None:
    line = price_line(price, quantity)
    assert line.amount_minor == oracle(price, quantity)
    assert abs(line.amount_unrounded - line.amount_minor) <= Decimal("0.5")


@unhurried
@given(price=prices(), quantity=quantities)
def test_every_unit_has_its_part(price: Price, quantity: Decimal) -> None:
    line = price_line(price, quantity)
    if price.model != "flat":
        assert sum(Fraction(part.quantity) for part in line.parts) == Fraction(line.billed_quantity)
    if line.bound is None:
        assert sum(Fraction(part.amount_unrounded) for part in line.parts) == Fraction(line.amount_unrounded)


@pytest.mark.parametrize(
    ("quantity", "amount"),
    [
        (0, 500),
        (1, 600),
        (10, 1500),
        ("10.5", 1825),  # half a unit is in the second tier, with its whole flat amount
        (11, 1850),
        (20, 2300),
        ("20.000000000001", 2500),
        (21, 2510),
    ],
)
def test_a_flat_amount_comes_with_the_first_bit_of_its_tier(quantity: str, amount: int) -> None:
    assert price_line(tiered("graduated", *WITH_FLATS), quantity).amount_minor == amount


@pytest.mark.parametrize(
    ("quantity", "amount"), [(0, 500), (10, 1500), ("10.000000000001", 800), (20, 1300), (21, 410)]
)
def test_volume_prices_everything_at_the_tier_it_reaches(quantity: str, amount: int) -> None:
    assert price_line(tiered("volume", *WITH_FLATS), quantity).amount_minor == amount


def test_a_fraction_between_two_tiers_is_split_where_it_lies() -> None:
    line = price_line(tiered("graduated", (1000, 10, 0), (None, 8, 0)), "1000.25")
    assert [part.quantity for part in line.parts] == [1000, Decimal("0.25")]
    assert line.amount_unrounded == 10_002


def test_tier_ends_may_have_fractions() -> None:
    line = price_line(tiered("graduated", ("0.5", 100, 0), (None, 10, 0)), 2)
    assert [part.quantity for part in line.parts] == [Decimal("0.5"), Decimal("1.5")]


@pytest.mark.parametrize(("quantity", "amount"), [(1, 1), (3, 2), (5, 3), (2, 1), (0, 0)])
def test_half_a_cent_is_rounded_up(quantity: int, amount: int) -> None:
    assert price_line(per_unit("0.5"), quantity).amount_minor == amount


def test_a_line_is_rounded_once_and_not_by_tier() -> None:
    price = tiered("graduated", (1, "0.5", 0), (2, "0.5", 0), (None, "0.5", 0))
    line = price_line(price, 3)
    assert (line.amount_minor, stripe_amounts(line)) == (2, [1, 1, 1])


def test_twelve_decimals_are_kept() -> None:
    line = price_line(per_unit("0.000000000001"), "499999999999.5")
    assert (line.amount_unrounded, line.amount_minor) == (Decimal("0.4999999999995"), 0)
    assert price_line(per_unit("0.000000000001"), 500_000_000_000).amount_minor == 1


def test_an_event_that_reaches_the_end_of_an_allowance_pays_for_the_rest_of_itself() -> None:
    delta = price_delta(tiered("graduated", (1000, 0, 0), (None, 2, 0)), 995, 1005)
    assert delta.amount_minor == 10
    assert [part.quantity for part in delta.after.parts] == [1000, 5]


def test_a_volume_price_can_make_more_usage_cost_less() -> None:
    delta = price_delta(tiered("volume", (100, 10, 0), (None, 5, 0)), 100, 101)
    assert (delta.amount_minor, delta.amount_unrounded) == (-495, -495)


@unhurried
@given(price=prices(), steps=st.lists(st.decimals(0, 500, places=3), min_size=1, max_size=6))
def test_what_the_events_add_makes_up_the_line(price: Price, steps: list[Decimal]) -> None:
    totals = [Decimal(0)]
    for step in steps:
        totals.append(totals[-1] + step)
    added = sum(price_delta(price, before, after).amount_minor for before, after in pairwise(totals))
    assert price_line(price, 0).amount_minor + added == price_line(price, totals[-1]).amount_minor


def test_a_period_below_zero_bills_zero_usage() -> None:
    line = price_line(tiered("graduated", *WITH_FLATS), -3)
    assert (line.quantity, line.billed_quantity, line.amount_minor) == (-3, 0, 500)
    with pytest.raises(QuantityInvalid, match="quantity: -3 is below zero"):
        price_line(per_unit(10), -3, negative="refuse")


@pytest.mark.parametrize(
    ("quantity", "up", "down"), [(0, 0, 0), ("0.1", 1, 0), (999, 1, 0), (1000, 1, 1), ("1000.001", 2, 1)]
)
def test_packages(quantity: str, up: int, down: int) -> None:
    for rule, packages in (("up", up), ("down", down)):
        price = Price("package", currency_of("usd"), Decimal(700), package=Package(Decimal(1000), rule))  # type: ignore[arg-type]
        line = price_line(price, quantity)
        assert (line.billed_quantity, line.amount_minor) == (packages, 700 * packages)


def test_a_flat_price_costs_the_same_whatever_is_used() -> None:
    price = Price("flat", currency_of("usd"), Decimal(9900))
    assert {price_line(price, quantity).amount_minor for quantity in (0, 1, 10**6)} == {9900}


def test_minimum_and_maximum_bound_the_line() -> None:
    price = per_unit(10, minimum=Decimal(100), maximum=Decimal(1000))
    lines = [price_line(price, quantity) for quantity in (0, 10, 50, 100, 101)]
    assert [line.amount_minor for line in lines] == [100, 100, 500, 1000, 1000]
    assert [line.bound for line in lines] == ["minimum", None, None, None, "maximum"]


@unhurried
@given(price=prices(), quantity=quantities)
def test_a_bound_holds_for_stripes_lines_too(price: Price, quantity: Decimal) -> None:
    total = sum(stripe_amounts(price_line(price, quantity)))
    if price.minimum is not None:
        assert total >= price.minimum - Decimal("0.5")
    if price.maximum is not None:
        assert total <= price.maximum + Decimal("0.5")


def test_a_share_of_a_period_is_rounded_once() -> None:
    line = price_line(Price("flat", currency_of("usd"), Decimal(1000), usage="licensed"), 1)
    assert [prorated(line, Fraction(part, 3)).amount_minor for part in (0, 1, 2, 3)] == [0, 333, 667, 1000]
    with pytest.raises(TermsConflict, match="share"):
        prorated(line, Fraction(4, 3))


def test_a_line_explains_itself() -> None:
    explained = price_line(tiered("graduated", (1000, 0, 0), (None, "1.5", 250), id="price_1"), "1000.3").as_json()
    assert explained == {
        "price": "price_1",
        "model": "graduated",
        "currency": "usd",
        "quantity": "1000.3",
        "billed_quantity": "1000.3",
        "tiers": [
            {
                "tier": 1,
                "above": "0",
                "up_to": "1000",
                "quantity": "1000",
                "unit_amount_minor": "0",
                "flat_amount_minor": "0",
                "unrounded_minor": "0",
                "amount": "0.00",
            },
            {
                "tier": 2,
                "above": "1000",
                "up_to": None,
                "quantity": "0.3",
                "unit_amount_minor": "1.5",
                "flat_amount_minor": "250",
                "unrounded_minor": "250.45",
                "amount": "2.50",
            },
        ],
        "bound_by": None,
        "share_of_period": None,
        "unrounded_minor": "250.45",
        "amount_minor": 250,
        "amount": "2.50",
        "rounding": "once for the line, half up (a half away from zero), to 0.01 usd",
    }
