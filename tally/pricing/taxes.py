"""Tax at given rates: added to the amounts, or contained in them; each rate rounded once and spread over its lines."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Literal, get_args

from tally.pricing.errors import AmountInvalid, TermsConflict, UnknownModel
from tally.pricing.exact import apportion, exact, half_up
from tally.pricing.line import Line

TaxBehavior = Literal["exclusive", "inclusive"]
# Stripe's limit for a line, and for an invoice's default rates.
MOST_RATES = 5
_HUNDRED = Decimal(100)


@dataclass(frozen=True)
class Tax:
    """A given rate: added to the amounts (exclusive) or contained in them (inclusive).

    `prices` (ids) are those whose lines it is for, and where it is for some, those lines have no default rate
    (None) any more: Stripe's rates of an item, and of an invoice.
    """

    percent: Decimal
    behavior: TaxBehavior = "exclusive"
    prices: frozenset[str] | None = None

    def __post_init__(self) -> None:
        if exact(self.percent, "tax.percent") < 0:
            raise AmountInvalid("tax.percent", f"{self.percent} is below zero")
        if self.behavior not in get_args(TaxBehavior):
            raise UnknownModel("tax.behavior", f"{self.behavior!r} is neither exclusive nor inclusive")

    @property
    def rate(self) -> Fraction:
        return Fraction(self.percent) / 100


def tax_lines(lines: Sequence[Line], left: Sequence[int], taxes: Sequence[Tax]) -> list[list[int]]:
    """For each rate, the tax of each line on what is `left` of it; minor units.

    Rates of one line do not compound: each is on the amount without any tax. A rate's tax is rounded once for all lines
    that have the same rates, and spread over them by largest remainder.

    Raises:
        TermsConflict: a line with inclusive and exclusive rates at once, or with more than five.
    """
    taxed = [[0] * len(lines) for _ in taxes]
    alike: dict[tuple[int, ...], list[int]] = {}
    for number, line in enumerate(lines):
        alike.setdefault(_rates_of(line, taxes), []).append(number)
    for rates, numbers in alike.items():
        _check(rates, taxes)
        amounts = [left[number] for number in numbers]
        for rate in rates:
            parts = apportion(_tax(taxes[rate], [taxes[each] for each in rates], sum(amounts)), amounts)
            for number, part in zip(numbers, parts, strict=True):
                taxed[rate][number] = part
    return taxed


def _rates_of(line: Line, taxes: Sequence[Tax]) -> tuple[int, ...]:
    own = tuple(number for number, tax in enumerate(taxes) if tax.prices is not None and line.price.id in tax.prices)
    return own or tuple(number for number, tax in enumerate(taxes) if tax.prices is None)


def _check(rates: tuple[int, ...], taxes: Sequence[Tax]) -> None:
    if len(rates) > MOST_RATES:
        raise TermsConflict(f"tax.{rates[MOST_RATES]}", f"is one rate too many for a line: Stripe takes {MOST_RATES}")
    for rate in rates:
        if taxes[rate].behavior != taxes[rates[0]].behavior:
            told = "what Stripe makes of inclusive and exclusive rates on one line is not known: bill them apart"
            raise TermsConflict(f"tax.{rate}.behavior", told)


def _tax(tax: Tax, together: Sequence[Tax], amount: int) -> int:
    """The tax of one of the rates that an amount has together."""
    if tax.behavior == "exclusive":
        return half_up(Decimal(amount), tax.rate)
    return half_up(Decimal(amount), tax.rate / (1 + sum(each.rate for each in together)))
