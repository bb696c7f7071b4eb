"""Amounts against an oracle in whole fractions, unit by unit where a price has tiers."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripe_sandbox.pricing import charges, plain

quantities = st.decimals(0, Decimal("999999999"), places=6)
amounts = st.decimals(0, 1000, places=12)


def half_up(cost: Fraction) -> int:
    return int((2 * cost + 1) // 2)


def per_unit(amount: Decimal, transform: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"billing_scheme": "per_unit", "unit_amount_decimal": str(amount), "transform_quantity": transform}


def tiered(mode: str, tiers: list[tuple[int | None, Decimal, Decimal]]) -> dict[str, Any]:
    return {
        "billing_scheme": "tiered",
        "tiers_mode": mode,
        "_tiers": [
            {"up_to": up_to, "unit_amount_decimal": str(unit), "flat_amount_decimal": str(flat)}
            for up_to, unit, flat in tiers
        ],
    }


@st.composite
def tier_tables(draw: st.DrawFn) -> list[tuple[int | None, Decimal, Decimal]]:
    ends: list[int | None] = [*sorted(draw(st.sets(st.integers(1, 5000), max_size=4))), None]
    return [(end, draw(amounts), draw(amounts)) for end in ends]


@given(quantity=quantities, amount=amounts)
def test_per_unit(quantity: Decimal, amount: Decimal) -> None:
    [charge] = charges(per_unit(amount), quantity)
    assert charge.amount == half_up(Fraction(quantity) * Fraction(amount))
    assert charge.quantity == quantity


@given(quantity=quantities, divide_by=st.integers(1, 10**6), amount=amounts, up=st.booleans())
def test_packages(quantity: Decimal, divide_by: int, amount: Decimal, up: bool) -> None:
    price = per_unit(amount, {"divide_by": divide_by, "round": "up" if up else "down"})
    packages = Fraction(quantity) / divide_by
    whole = -(-packages.numerator // packages.denominator) if up else packages.numerator // packages.denominator
    assert charges(price, quantity)[0].amount == half_up(whole * Fraction(amount))


def tier_of(tiers: list[tuple[int | None, Decimal, Decimal]], unit: Fraction) -> int:
    return next(number for number, (up_to, _, _) in enumerate(tiers) if up_to is None or unit <= up_to)


@given(quantity=st.integers(0, 6000), tiers=tier_tables())
def test_graduated_tiers_unit_by_unit(quantity: int, tiers: list[tuple[int | None, Decimal, Decimal]]) -> None:
    reached = {0}
    cost = {0: Fraction(tiers[0][2])}
    for unit in range(1, quantity + 1):
        tier = tier_of(tiers, Fraction(unit))
        if tier not in reached:
            reached.add(tier)
            cost[tier] = Fraction(tiers[tier][2])
        cost[tier] += Fraction(tiers[tier][1])
    price = tiered("graduated", tiers)
    lines = charges(price, Decimal(quantity))
    assert {line.tier: line.amount for line in lines} == {tier: half_up(each) for tier, each in cost.items()}
    assert sum(line.quantity for line in lines) == quantity
    [single] = charges(price, Decimal(quantity), line_per_graduated_tier=False)
    assert (single.amount, single.quantity) == (half_up(sum(cost.values(), Fraction(0))), quantity)


@given(quantity=quantities, tiers=tier_tables())
def test_volume_tiers(quantity: Decimal, tiers: list[tuple[int | None, Decimal, Decimal]]) -> None:
    _, unit, flat = tiers[tier_of(tiers, Fraction(quantity))]
    [charge] = charges(tiered("volume", tiers), quantity)
    assert charge.amount == half_up(Fraction(quantity) * Fraction(unit) + Fraction(flat))


@pytest.mark.parametrize(
    ("quantity", "expected"),
    [
        ("0", [("0", 0)]),
        ("100", [("100", 1000)]),
        ("100.5", [("100", 1000), ("0.5", 3)]),
        ("101", [("100", 1000), ("1", 5)]),
    ],
)
def test_a_tier_begins_just_beyond_its_edge(quantity: str, expected: list[tuple[str, int]]) -> None:
    price = tiered("graduated", [(100, Decimal(10), Decimal(0)), (None, Decimal(5), Decimal(0))])
    assert [(plain(line.quantity), line.amount) for line in charges(price, Decimal(quantity))] == expected


def test_half_a_cent_rounds_up_once_per_line() -> None:
    assert charges(per_unit(Decimal("0.5")), Decimal(1))[0].amount == 1
    assert charges(per_unit(Decimal("0.499999999999")), Decimal(1))[0].amount == 0
    assert charges(per_unit(Decimal("0.5")), Decimal(3))[0].amount == 2
