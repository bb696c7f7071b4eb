"""What cannot be priced is refused by name, with its field; nothing becomes free."""

from decimal import Decimal
from typing import Any

import pytest
from price_samples import per_unit, tiered

from tally.pricing import Package, Price, PricingError, Tier, currency_of, price_line
from tally.pricing.errors import (
    AmountInvalid,
    QuantityInvalid,
    TermsConflict,
    TiersMissing,
    TiersNotClosed,
    TiersUnordered,
    UnknownCurrency,
    UnknownModel,
)
from tally.pricing.exact import apportion, half_up

USD = currency_of("usd")
NO_TIERS: tuple[Tier, ...] = ()


@pytest.mark.parametrize(
    ("rows", "error", "field"),
    [
        ([(1000, 1, 0), (2000, 1, 0)], TiersNotClosed, "tiers.1.up_to"),
        ([(None, 1, 0), (1000, 1, 0)], TiersNotClosed, "tiers.0.up_to"),
        ([(None, 1, 0), (None, 1, 0)], TiersNotClosed, "tiers.0.up_to"),
        ([(0, 1, 0), (None, 1, 0)], TiersUnordered, "tiers.0.up_to"),
        ([(-5, 1, 0), (None, 1, 0)], TiersUnordered, "tiers.0.up_to"),
        ([(1000, 1, 0), (1000, 1, 0), (None, 1, 0)], TiersUnordered, "tiers.1.up_to"),
        ([(1000, 1, 0), (500, 1, 0), (None, 1, 0)], TiersUnordered, "tiers.1.up_to"),
        ([(1000, -1, 0), (None, 1, 0)], AmountInvalid, "tiers.0.unit_amount"),
        ([(1000, 1, 0), (None, 1, -1)], AmountInvalid, "tiers.1.flat_amount"),
        ([], TiersMissing, "tiers"),
    ],
)
@pytest.mark.parametrize("model", ["graduated", "volume"])
def test_tiers_that_leave_a_quantity_without_one_price(
    model: str, rows: list[Any], error: type[PricingError], field: str
) -> None:
    with pytest.raises(error) as caught:
        tiered(model, *rows)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("terms", "error", "field"),
    [
        ({"model": "tiered"}, UnknownModel, "model"),
        ({"usage": "prepaid"}, UnknownModel, "usage"),
        ({"unit_amount": None}, AmountInvalid, "unit_amount"),
        ({"unit_amount": Decimal("-0.01")}, AmountInvalid, "unit_amount"),
        ({"unit_amount": Decimal("NaN")}, AmountInvalid, "unit_amount"),
        ({"unit_amount": Decimal("0.0000000000001")}, AmountInvalid, "unit_amount"),
        ({"unit_amount": 0.01}, AmountInvalid, "unit_amount"),
        ({"tiers": (Tier(None),)}, TermsConflict, "tiers"),
        ({"model": "graduated"}, TermsConflict, "unit_amount"),
        ({"model": "package"}, TermsConflict, "package"),
        ({"package": Package(Decimal(10))}, TermsConflict, "package"),
        ({"model": "package", "package": Package(Decimal(0))}, AmountInvalid, "package.divide_by"),
        ({"model": "package", "package": Package(Decimal(10), "half")}, UnknownModel, "package.round"),  # type: ignore[arg-type]
        ({"minimum": Decimal(2), "maximum": Decimal(1)}, TermsConflict, "minimum"),
        ({"minimum": Decimal(-1)}, AmountInvalid, "minimum"),
    ],
)
def test_terms_that_are_none(terms: dict[str, Any], error: type[PricingError], field: str) -> None:
    with pytest.raises(error) as caught:
        Price(**{"model": "per_unit", "currency": USD, "unit_amount": Decimal(1), **terms})
    assert caught.value.field == field
    assert str(caught.value).startswith(f"{field}: ")


@pytest.mark.parametrize("quantity", [None, 0.3, True, "many", "NaN", "Infinity", "1E40", "0.0000000000001", [1]])
def test_quantities_that_are_none(quantity: object) -> None:
    with pytest.raises(QuantityInvalid):
        price_line(per_unit(1), quantity)


@pytest.mark.parametrize("code", ["xxx", "", None, "us", "dollars", 840])
def test_a_currency_nobody_bills_in(code: object) -> None:
    with pytest.raises(UnknownCurrency, match="currency"):
        currency_of(code)


def test_exponents_and_steps_are_stripes() -> None:
    assert {code: currency_of(code).exponent for code in ("usd", "JPY", "kwd", "isk", "ugx", "huf", "twd", "clp")} == {
        "usd": 2, "JPY": 0, "kwd": 3, "isk": 2, "ugx": 2, "huf": 2, "twd": 2, "clp": 0,
    }  # fmt: skip
    assert [currency_of(code).charge_step for code in ("usd", "jpy", "kwd", "isk", "ugx", "huf")] == [
        1,
        1,
        10,
        100,
        100,
        1,
    ]


@pytest.mark.parametrize(
    ("amount", "rounded"), [("0.5", 1), ("1.5", 2), ("2.5", 3), ("-0.5", -1), ("-2.5", -3), ("0.49", 0), ("-0.49", 0)]
)
def test_a_half_goes_away_from_zero(amount: str, rounded: int) -> None:
    assert half_up(Decimal(amount)) == rounded


@pytest.mark.parametrize(
    ("total", "weights", "parts"),
    [
        (100, [1, 1, 1], [34, 33, 33]),
        (-100, [1, 1, 1], [-34, -33, -33]),
        (10, [0, 3, 0], [0, 10, 0]),
        (1, [1, 2], [0, 1]),
        (0, [0, 0], [0, 0]),
    ],
)
def test_the_parts_add_up_by_largest_remainder(total: int, weights: list[int], parts: list[int]) -> None:
    assert apportion(total, weights) == parts
    assert sum(parts) == total


def test_nothing_can_be_spread_over_nothing() -> None:
    with pytest.raises(ValueError, match="nothing to spread"):
        apportion(5, [0, 0])
