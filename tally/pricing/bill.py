"""A bill: lines, then discounts, commitments, credits and tax, in that order; every line adds up to the total.

Discounts are taken off first, credits before tax (Stripe's `pretax_credit_amounts`), tax is on what is left.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal, get_args

from tally.pricing.currency import Currency
from tally.pricing.drawdown import Commitment, CreditGrant, Drawdown, draw_commitments, draw_credits
from tally.pricing.errors import AmountInvalid, MixedCurrencies, TermsConflict, UnknownModel
from tally.pricing.exact import apportion, exact, half_up
from tally.pricing.line import Line

TaxBehavior = Literal["exclusive", "inclusive"]
_HUNDRED = Decimal(100)


@dataclass(frozen=True)
class Discount:
    """`percent` (above 0, at most 100) off the lines of `prices` (ids; None: all lines)."""

    percent: Decimal
    prices: frozenset[str] | None = None

    def __post_init__(self) -> None:
        if not 0 < exact(self.percent, "percent") <= _HUNDRED:
            raise AmountInvalid("percent", f"{self.percent} does not lie above 0 and up to 100")


@dataclass(frozen=True)
class Tax:
    """A given rate: added to the amounts (exclusive) or contained in them (inclusive)."""

    percent: Decimal
    behavior: TaxBehavior = "exclusive"

    def __post_init__(self) -> None:
        if exact(self.percent, "tax.percent") < 0:
            raise AmountInvalid("tax.percent", f"{self.percent} is below zero")
        if self.behavior not in get_args(TaxBehavior):
            raise UnknownModel("tax.behavior", f"{self.behavior!r} is neither exclusive nor inclusive")

    def of(self, amount: int) -> int:
        """The tax on, or in, an amount; minor units, rounded half up."""
        whole = _HUNDRED if self.behavior == "exclusive" else _HUNDRED + self.percent
        return half_up(Decimal(amount), Fraction(self.percent) / Fraction(whole))


@dataclass(frozen=True)
class BillLine:
    """A line, what was taken off it and the tax on or in the rest; minor units, each zero or more."""

    line: Line
    discount: int
    commitment: int
    credit: int
    tax: int

    @property
    def net(self) -> int:
        """What is left after discount, commitment and credit; an inclusive tax is still in it."""
        return self.line.amount_minor - self.discount - self.commitment - self.credit


@dataclass(frozen=True)
class Bill:
    """A bill in minor units of one currency. `total` is what is owed; `chargeable` is that in the currency's steps."""

    currency: Currency
    lines: tuple[BillLine, ...]
    drawdowns: tuple[Drawdown, ...]
    subtotal: int
    discount: int
    commitment: int
    credit: int
    tax: int
    total: int

    @property
    def chargeable(self) -> int:
        """The total rounded to what can be collected: whole krónur in isk, ten fils in kwd."""
        step = self.currency.charge_step
        return half_up(Decimal(self.total), Fraction(1, step)) * step

    def as_json(self) -> dict[str, Any]:
        """Amounts in major units as text, the lines with their explanations."""
        fields = ("subtotal", "discount", "commitment", "credit", "tax", "total", "chargeable")
        return {
            "currency": self.currency.code,
            "lines": [
                {**each.line.as_json(), **self._texts(each, "discount", "commitment", "credit", "tax", "net")}
                for each in self.lines
            ],
            "drawdowns": [
                {"source": each.source, "line": each.line, **self._texts(each, "amount")} for each in self.drawdowns
            ],
            **self._texts(self, *fields),
        }

    def _texts(self, holder: object, *fields: str) -> dict[str, str]:
        return {field: str(self.currency.major(getattr(holder, field))) for field in fields}


def make_bill(
    lines: Sequence[Line],
    period_end: datetime,
    discounts: Sequence[Discount] = (),
    commitments: Sequence[Commitment] = (),
    grants: Sequence[CreditGrant] = (),
    tax: Tax | None = None,
) -> Bill:
    """The bill of `lines` for a period, whose end (UTC-aware) decides which commitments and credits are in force.

    Discounts follow one another, each on what the one before left. A discount and the tax are rounded once and spread
    over their lines by largest remainder, so that the lines add up to the bill.

    Raises:
        TermsConflict: there is no line, or the period's end has no zone.
        MixedCurrencies: lines, commitments or credits of two currencies.
        OverApplied: a commitment or credit of which more was used than it has.
    """
    currency = _one_currency(lines, commitments, grants)
    if period_end.utcoffset() is None:
        raise TermsConflict("period_end", "needs a time zone")
    left = [line.amount_minor for line in lines]
    discounted = _discount(lines, left, discounts)
    committed = draw_commitments(commitments, left, period_end)
    credited = draw_credits(grants, [line.price for line in lines], left, period_end)
    taxed = [0] * len(left) if tax is None else apportion(tax.of(sum(left)), left)
    drawn = (*committed, *credited)
    billed = tuple(
        BillLine(line, discounted[number], _drawn(committed, number), _drawn(credited, number), taxed[number])
        for number, line in enumerate(lines)
    )
    added = sum(taxed) if tax is not None and tax.behavior == "exclusive" else 0
    return Bill(
        currency=currency,
        lines=billed,
        drawdowns=drawn,
        subtotal=sum(line.amount_minor for line in lines),
        discount=sum(discounted),
        commitment=sum(each.amount for each in committed),
        credit=sum(each.amount for each in credited),
        tax=sum(taxed),
        total=sum(left) + added,
    )


def _one_currency(lines: Sequence[Line], commitments: Sequence[Commitment], grants: Sequence[CreditGrant]) -> Currency:
    if not lines:
        raise TermsConflict("lines", "a bill needs at least one line")
    currency = lines[0].price.currency
    others = [(f"lines.{number}", line.price.currency) for number, line in enumerate(lines)]
    others += [(f"commitments.{number}", each.currency) for number, each in enumerate(commitments)]
    others += [(f"credit_grants.{number}", each.currency) for number, each in enumerate(grants)]
    for field, other in others:
        if other != currency:
            raise MixedCurrencies(f"{field}.currency", f"is {other.code} on a bill in {currency.code}; bill it apart")
    return currency


def _discount(lines: Sequence[Line], left: list[int], discounts: Sequence[Discount]) -> list[int]:
    """Take the discounts off `left` (changed in place); returns each line's discount."""
    taken = [0] * len(left)
    for discount in discounts:
        weights = [
            amount if discount.prices is None or line.price.id in discount.prices else 0
            for line, amount in zip(lines, left, strict=True)
        ]
        total = half_up(Decimal(sum(weights)), Fraction(discount.percent) / 100)
        for number, part in enumerate(apportion(total, weights)):
            taken[number] += part
            left[number] -= part
    return taken


def _drawn(drawdowns: Sequence[Drawdown], number: int) -> int:
    return sum(each.amount for each in drawdowns if each.line == number)
