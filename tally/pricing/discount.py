"""Discounts: a percentage or a fixed amount off, as Stripe's coupons are; spread over the lines that they are for."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from tally.pricing.currency import Currency
from tally.pricing.errors import AmountInvalid, TermsConflict
from tally.pricing.exact import apportion, exact, half_up
from tally.pricing.line import Line

_HUNDRED = Decimal(100)


@dataclass(frozen=True)
class Discount:
    """Off the lines of `prices` (ids; None: all lines): `percent` (above 0, at most 100), or `amount` minor units.

    An amount has a `currency`. It takes no more than its lines have left; the rest of it is lost, as Stripe's is.

    Raises:
        TermsConflict: both or neither of percent and amount; an amount without its currency.
        AmountInvalid: a percentage or amount that is none.
    """

    percent: Decimal | None = None
    prices: frozenset[str] | None = None
    amount: int | None = None
    currency: Currency | None = None

    def __post_init__(self) -> None:
        if (self.percent is None) == (self.amount is None):
            raise TermsConflict("percent", "give either a percentage or an amount")
        if self.percent is not None and not 0 < exact(self.percent, "percent") <= _HUNDRED:
            raise AmountInvalid("percent", f"{self.percent} does not lie above 0 and up to 100")
        if self.amount is not None and self.amount <= 0:
            raise AmountInvalid("amount", f"{self.amount} is not above zero")
        if (self.amount is None) != (self.currency is None):
            raise TermsConflict("currency", "belongs to an amount, and an amount needs it")

    def off(self, whole: int) -> int:
        """What it takes off `whole` minor units, rounded once."""
        if self.percent is not None:
            return half_up(Decimal(whole), Fraction(self.percent) / 100)
        return min(whole, self.amount or 0)


def take_discounts(lines: Sequence[Line], left: list[int], discounts: Sequence[Discount]) -> list[int]:
    """Take the discounts off `left`, one after another (changed in place); returns each line's discount."""
    taken = [0] * len(left)
    for discount in discounts:
        weights = [
            amount if discount.prices is None or line.price.id in discount.prices else 0
            for line, amount in zip(lines, left, strict=True)
        ]
        for number, part in enumerate(apportion(discount.off(sum(weights)), weights)):
            taken[number] += part
            left[number] -= part
    return taken
