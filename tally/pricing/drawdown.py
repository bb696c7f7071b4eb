"""What a customer has paid or been given in advance: commitments and credit grants, drawn down by a bill's lines."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from tally.periods import Period
from tally.pricing.currency import Currency
from tally.pricing.errors import AmountInvalid, OverApplied, TermsConflict, UnknownModel
from tally.pricing.price import Price

Category = Literal["promotional", "paid"]
DEFAULT_PRIORITY = 50


@dataclass(frozen=True)
class Commitment:
    """`amount` committed for a `period`, of which `applied` was drawn down by earlier bills; minor units.

    Raises:
        OverApplied: more was applied than committed.
    """

    id: str
    currency: Currency
    amount: int
    period: Period
    applied: int = 0

    def __post_init__(self) -> None:
        _check_balance(self.id, self.amount, self.applied)

    def in_force(self, period_end: datetime) -> bool:
        """Whether a period that ends then is covered: one that ends with the commitment is its last."""
        return self.period.start < period_end <= self.period.end


@dataclass(frozen=True)
class CreditGrant:
    """Stripe's credit grant: `amount`, of which `applied` was used, in minor units; for metered prices only.

    `prices` (ids) narrows it; None is every metered price. It pays for periods that end from `effective_at` up to, not
    including, `expires_at` (None: for ever). Lower `priority` (0 to 100) goes first.

    Raises:
        OverApplied: more was applied than granted.
        AmountInvalid, UnknownModel, TermsConflict: a priority, category or span of time that is none.
    """

    id: str
    currency: Currency
    amount: int
    effective_at: datetime
    created: datetime
    expires_at: datetime | None = None
    category: Category = "paid"
    priority: int = DEFAULT_PRIORITY
    prices: frozenset[str] | None = None
    applied: int = 0

    def __post_init__(self) -> None:
        _check_balance(self.id, self.amount, self.applied)
        if not 0 <= self.priority <= 100:
            raise AmountInvalid(f"{self.id}.priority", f"{self.priority} does not lie between 0 and 100")
        if self.category not in get_args(Category):
            raise UnknownModel(f"{self.id}.category", f"{self.category!r} is neither promotional nor paid")
        times = [self.effective_at, self.created, *([self.expires_at] if self.expires_at else [])]
        if any(moment.utcoffset() is None for moment in times):
            raise TermsConflict(f"{self.id}.effective_at", "times need a zone")
        if self.expires_at is not None and self.expires_at <= self.effective_at:
            raise TermsConflict(f"{self.id}.expires_at", "does not lie after effective_at")

    def applies_to(self, price: Price) -> bool:
        return price.usage == "metered" and (self.prices is None or price.id in self.prices)

    def in_force(self, period_end: datetime) -> bool:
        return self.effective_at <= period_end and (self.expires_at is None or period_end < self.expires_at)

    @property
    def order(self) -> tuple[object, ...]:
        """Stripe's order: priority, soonest expiry, promotional before paid, effective date, creation; then id."""
        expiry = (self.expires_at is None, self.expires_at)
        return (self.priority, expiry, self.category == "paid", self.effective_at, self.created, self.id)


@dataclass(frozen=True)
class Drawdown:
    """`amount` minor units that the commitment or grant `source` paid of the bill's line number `line` (from 0)."""

    source: str
    line: int
    amount: int


def draw_commitments(commitments: Sequence[Commitment], left: list[int], period_end: datetime) -> list[Drawdown]:
    """Draw down the commitments in force, the one that ends first first; `left` is changed in place."""
    check_ids([each.id for each in commitments], "commitments")
    in_force = sorted(
        (each for each in commitments if each.in_force(period_end)), key=lambda each: (each.period.end, each.id)
    )
    every_line = range(len(left))
    return [part for each in in_force for part in _draw(each.id, each.amount - each.applied, every_line, left)]


def draw_credits(
    grants: Sequence[CreditGrant], prices: Sequence[Price], left: list[int], period_end: datetime
) -> list[Drawdown]:
    """Use the grants that are in force on the lines they apply to, in Stripe's order; `left` is changed in place."""
    check_ids([each.id for each in grants], "credit_grants")
    used = []
    for grant in sorted((each for each in grants if each.in_force(period_end)), key=lambda each: each.order):
        eligible = [number for number, price in enumerate(prices) if grant.applies_to(price)]
        used += _draw(grant.id, grant.amount - grant.applied, eligible, left)
    return used


def _draw(source: str, available: int, lines: Sequence[int], left: list[int]) -> list[Drawdown]:
    parts = []
    for number in lines:
        part = min(available, left[number])
        if part > 0:
            parts.append(Drawdown(source, number, part))
            left[number] -= part
            available -= part
    return parts


def _check_balance(name: str, amount: int, applied: int) -> None:
    if amount < 0 or applied < 0:
        raise AmountInvalid(f"{name}.{'amount' if amount < 0 else 'applied'}", "is below zero")
    if applied > amount:
        raise OverApplied(f"{name}.applied", f"{applied} minor units of {amount} are used; that is more than there is")


def check_ids(ids: Sequence[str], field: str) -> None:
    """Raise a TermsConflict when an id is there twice."""
    if repeated := sorted({each for each in ids if ids.count(each) > 1}):
        raise TermsConflict(field, f"{', '.join(repeated)} is there twice and would be used twice")
