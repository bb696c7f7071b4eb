"""Minimum spend: what a customer promised to use within a span of time, and pays the rest of at its end."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from tally.periods import Period
from tally.pricing.currency import Currency
from tally.pricing.drawdown import check_ids
from tally.pricing.errors import AmountInvalid
from tally.pricing.line import Line, price_line
from tally.pricing.price import Price


@dataclass(frozen=True)
class MinimumSpend:
    """`amount` to be spent within `period`, of which earlier bills counted `spent`; minor units.

    What counts is what lines of `prices` (ids; None: all) cost after discounts; money that was paid in advance
    (commitments, credits) is spent like any other.
    """

    id: str
    currency: Currency
    amount: int
    period: Period
    spent: int = 0
    prices: frozenset[str] | None = None

    def __post_init__(self) -> None:
        for field in ("amount", "spent"):
            if getattr(self, field) < 0:
                raise AmountInvalid(f"{self.id}.{field}", "is below zero")

    def covers(self, period_end: datetime) -> bool:
        """Whether a bill for a period that ends then counts towards it."""
        return self.period.start < period_end <= self.period.end


@dataclass(frozen=True)
class Spent:
    """What a bill counts towards the minimum `source`, and the `shortfall` that its last bill charges."""

    source: str
    amount: int
    shortfall: int


def count_spend(
    minimums: Sequence[MinimumSpend], lines: Sequence[Line], left: Sequence[int], period_end: datetime
) -> tuple[Spent, ...]:
    """What the lines, of which `left` is what discounts left, count towards each minimum that covers the period."""
    check_ids([each.id for each in minimums], "minimum_spends")
    told = []
    for minimum in minimums:
        if minimum.covers(period_end):
            amount = sum(
                amount
                for line, amount in zip(lines, left, strict=True)
                if minimum.prices is None or line.price.id in minimum.prices
            )
            is_last = period_end == minimum.period.end
            shortfall = max(0, minimum.amount - minimum.spent - amount) if is_last else 0
            told.append(Spent(minimum.id, amount, shortfall))
    return tuple(told)


def true_up_lines(spent: Sequence[Spent], currency: Currency) -> list[Line]:
    """A flat, licensed line for each shortfall: no credit grant pays it."""
    return [
        price_line(Price("flat", currency, Decimal(each.shortfall), usage="licensed", id=each.source), 1)
        for each in spent
        if each.shortfall
    ]
