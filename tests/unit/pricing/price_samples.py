"""Prices and quantities for the tests of pricing: short ways to write them, and Hypothesis strategies."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from tally.pricing import Package, Price, Tier, currency_of

unhurried = settings(deadline=None)  # the machine may be busy
TierRow = tuple[int | str | None, str | int, str | int]


def tiered(model: Any, *rows: TierRow, currency: str = "usd", **more: Any) -> Price:
    """A tiered price from rows of (up to, unit amount, flat amount) in minor units."""
    tiers = tuple(
        Tier(None if up_to is None else Decimal(up_to), Decimal(unit), Decimal(flat)) for up_to, unit, flat in rows
    )
    return Price(model, currency_of(currency), tiers=tiers, **more)


def per_unit(amount: str | int, currency: str = "usd", **more: Any) -> Price:
    """A price of `amount` minor units a unit."""
    return Price("per_unit", currency_of(currency), Decimal(amount), **more)


def oracle(price: Price, quantity: Decimal) -> int:
    """The line's amount by another route: whole fractions, tier by tier, from the definition of each model."""
    used = max(Fraction(quantity), Fraction(0))
    cost = Fraction(0)
    if price.model == "flat":
        cost = Fraction(price.unit_amount or 0)
    elif price.model == "per_unit":
        cost = used * Fraction(price.unit_amount or 0)
    elif price.model == "package":
        assert price.package is not None
        packages = used / Fraction(price.package.divide_by)
        whole = packages.numerator // packages.denominator
        if price.package.round == "up" and whole < packages:
            whole += 1
        cost = whole * Fraction(price.unit_amount or 0)
    else:
        starts = [Fraction(0), *(Fraction(tier.up_to) for tier in price.tiers if tier.up_to is not None)]
        reached = [tier for tier, start in zip(price.tiers, starts, strict=True) if used > start] or [price.tiers[0]]
        if price.model == "volume":
            cost = used * Fraction(reached[-1].unit_amount) + Fraction(reached[-1].flat_amount)
        else:
            ends = [*starts[1 : len(reached)], used]
            for tier, start, end in zip(reached, starts, ends, strict=False):
                cost += (end - start) * Fraction(tier.unit_amount) + Fraction(tier.flat_amount)
    if price.minimum is not None:
        cost = max(cost, Fraction(price.minimum))
    if price.maximum is not None:
        cost = min(cost, Fraction(price.maximum))
    return int((2 * cost + 1) // 2)


quantities = st.one_of(
    st.integers(-50, 3000).map(Decimal),
    st.decimals(-10, 10**9, places=3),
    st.decimals(0, 2000, places=12),
)
amounts = st.one_of(
    st.integers(0, 1000).map(Decimal), st.decimals(0, 10, places=1), st.decimals(0, 1000, places=12)
)  # fmt: skip
tier_ends = st.sets(st.one_of(st.integers(1, 2000).map(Decimal), st.decimals("0.001", 2000, places=3)), max_size=5)


@st.composite
def bounds(draw: st.DrawFn) -> dict[str, Decimal | None]:
    low, high = draw(st.none() | amounts), draw(st.none() | amounts)
    if low is not None and high is not None and low > high:
        low, high = high, low
    return {"minimum": low, "maximum": high}


@st.composite
def prices(draw: st.DrawFn) -> Price:
    """Any price of any model."""
    model: Any = draw(st.sampled_from(["per_unit", "package", "graduated", "volume", "flat"]))
    currency = currency_of(draw(st.sampled_from(["usd", "jpy", "kwd"])))
    limits = draw(bounds())
    if model in ("graduated", "volume"):
        ends: list[Decimal | None] = [*sorted(draw(tier_ends)), None]
        tiers = tuple(Tier(end, draw(amounts), draw(amounts)) for end in ends)
        return Price(model, currency, tiers=tiers, **limits)
    package = None
    if model == "package":
        package = Package(
            draw(st.integers(1, 1000).map(Decimal) | st.decimals("0.01", 5, places=2)),
            draw(st.sampled_from(["up", "down"])),
        )
    return Price(model, currency, draw(amounts), package=package, **limits)
