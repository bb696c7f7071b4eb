"""A bill: lines, then discounts, minimum spends, commitments, credits and tax, in that order; every line adds up.

Discounts are taken off first, credits before tax (Stripe's `pretax_credit_amounts`), tax is on what is left.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from tally.pricing.currency import Currency
from tally.pricing.discount import Discount, take_discounts
from tally.pricing.drawdown import Commitment, CreditGrant, Drawdown, draw_commitments, draw_credits
from tally.pricing.errors import MixedCurrencies, TermsConflict
from tally.pricing.exact import half_up, plain
from tally.pricing.line import Line
from tally.pricing.minimum_spend import MinimumSpend, Spent, count_spend, true_up_lines
from tally.pricing.taxes import Tax, tax_lines


@dataclass(frozen=True)
class BillLine:
    """A line, what was taken off it and the tax on or in the rest; minor units, each zero or more.

    `taxes` are the parts of `tax` by rate, in the order of the bill's.
    """

    line: Line
    discount: int
    commitment: int
    credit: int
    tax: int
    taxes: tuple[int, ...] = ()

    @property
    def net(self) -> int:
        """What is left after discount, commitment and credit; an inclusive tax is still in it."""
        return self.line.amount_minor - self.discount - self.commitment - self.credit


@dataclass(frozen=True)
class Bill:
    """A bill in minor units of one currency. `total` is what is owed; `chargeable` is that in the currency's steps.

    `subtotal` is that of the lines given; the lines that a minimum spend adds are `true_up`. `spent` is what to count
    towards each minimum on later bills, `taxes` the tax of each rate.
    """

    currency: Currency
    lines: tuple[BillLine, ...]
    drawdowns: tuple[Drawdown, ...]
    spent: tuple[Spent, ...]
    taxes: tuple[tuple[Tax, int], ...]
    subtotal: int
    true_up: int
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
        fields = ("subtotal", "discount", "true_up", "commitment", "credit", "tax", "total", "chargeable")
        return {
            "currency": self.currency.code,
            "lines": [
                {**each.line.as_json(), **self._texts(each, "discount", "commitment", "credit", "tax", "net")}
                for each in self.lines
            ],
            "drawdowns": [
                {"source": each.source, "line": each.line, **self._texts(each, "amount")} for each in self.drawdowns
            ],
            "minimum_spends": [
                {"source": each.source, **self._texts(each, "amount", "shortfall")} for each in self.spent
            ],
            "taxes": [
                {"percent": plain(tax.percent), "behavior": tax.behavior, "amount": str(self.currency.major(amount))}
                for tax, amount in self.taxes
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
    taxes: Sequence[Tax] = (),
    minimum_spends: Sequence[MinimumSpend] = (),
) -> Bill:
    """The bill of `lines` for a period, whose end (UTC-aware) decides which commitments and credits are in force.

    Discounts follow one another, each on what the one before left. A discount and a rate's tax are rounded once and
    spread over their lines by largest remainder, so that the lines add up to the bill. What is missing of a minimum
    spend in its last period becomes a line, which is taxed and which no commitment or credit pays.

    Raises:
        TermsConflict: there is no line, the period's end has no zone, or rates that Stripe would not take together.
        MixedCurrencies: lines, discounts, commitments, credits or minimum spends of two currencies.
        OverApplied: a commitment or credit of which more was used than it has.
    """
    currency = _one_currency(lines, discounts, commitments, grants, minimum_spends)
    if period_end.utcoffset() is None:
        raise TermsConflict("period_end", "needs a time zone")
    left = [line.amount_minor for line in lines]
    discounted = take_discounts(lines, left, discounts)
    spent = count_spend(minimum_spends, lines, left, period_end)
    committed = draw_commitments(commitments, left, period_end)
    credited = draw_credits(grants, [line.price for line in lines], left, period_end)
    added = true_up_lines(spent, currency)
    every = [*lines, *added]
    left += [line.amount_minor for line in added]
    discounted += [0] * len(added)
    taxed = tax_lines(every, left, taxes)
    on_top = sum(sum(parts) for tax, parts in zip(taxes, taxed, strict=True) if tax.behavior == "exclusive")
    return Bill(
        currency=currency,
        lines=tuple(
            _line(line, number, discounted[number], committed, credited, taxed) for number, line in enumerate(every)
        ),
        drawdowns=(*committed, *credited),
        spent=spent,
        taxes=tuple((tax, sum(parts)) for tax, parts in zip(taxes, taxed, strict=True)),
        subtotal=sum(line.amount_minor for line in lines),
        true_up=sum(line.amount_minor for line in added),
        discount=sum(discounted),
        commitment=sum(each.amount for each in committed),
        credit=sum(each.amount for each in credited),
        tax=sum(sum(parts) for parts in taxed),
        total=sum(left) + on_top,
    )


def _line(
    line: Line,
    number: int,
    discount: int,
    committed: Sequence[Drawdown],
    credited: Sequence[Drawdown],
    taxed: Sequence[Sequence[int]],
) -> BillLine:
    taxes = tuple(parts[number] for parts in taxed)
    return BillLine(line, discount, _drawn(committed, number), _drawn(credited, number), sum(taxes), taxes)


def _one_currency(
    lines: Sequence[Line],
    discounts: Sequence[Discount],
    commitments: Sequence[Commitment],
    grants: Sequence[CreditGrant],
    minimum_spends: Sequence[MinimumSpend],
) -> Currency:
    if not lines:
        raise TermsConflict("lines", "a bill needs at least one line")
    currency = lines[0].price.currency
    others = [(f"lines.{number}", line.price.currency) for number, line in enumerate(lines)]
    others += [(f"discounts.{number}", each.currency) for number, each in enumerate(discounts) if each.currency]
    others += [(f"commitments.{number}", each.currency) for number, each in enumerate(commitments)]
    others += [(f"credit_grants.{number}", each.currency) for number, each in enumerate(grants)]
    others += [(f"minimum_spends.{number}", each.currency) for number, each in enumerate(minimum_spends)]
    for field, other in others:
        if other != currency:
            raise MixedCurrencies(f"{field}.currency", f"is {other.code} on a bill in {currency.code}; bill it apart")
    return currency


def _drawn(drawdowns: Sequence[Drawdown], number: int) -> int:
    return sum(each.amount for each in drawdowns if each.line == number)
