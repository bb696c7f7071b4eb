"""One line: what a quantity costs under a price, tier by tier, rounded once."""

from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal

from tally.pricing.errors import QuantityInvalid, TermsConflict
from tally.pricing.exact import EXACT, ONE, ZERO, half_up, plain, quantity_of
from tally.pricing.price import TIERED, Price
from tally.pricing.tiers import Part, parts_of

Negative = Literal["zero", "refuse"]


@dataclass(frozen=True)
class Line:
    """A priced quantity that explains itself. Amounts are in minor units.

    `quantity` is as given and `billed_quantity` what was priced: never negative, and whole packages where the price has
    them. `amount_unrounded` is the sum of the parts, within the price's minimum and maximum, before `share` (of the
    period, for a prorated line) is taken and before the only rounding; `amount_minor` is what is billed.
    """

    price: Price
    quantity: Decimal
    billed_quantity: Decimal
    parts: tuple[Part, ...]
    amount_unrounded: Decimal
    amount_minor: int
    share: Fraction = ONE

    @property
    def amount(self) -> Decimal:
        """The billed amount as people write it, with the currency's decimals."""
        return self.price.currency.major(self.amount_minor)

    @property
    def bound(self) -> str | None:
        """Which of minimum and maximum is the amount instead of the parts' sum; None: neither."""
        total = _sum(self.parts)
        if total == self.amount_unrounded:
            return None
        return "minimum" if total < self.amount_unrounded else "maximum"

    @property
    def rounding(self) -> str:
        """The rule in words."""
        step = plain(self.price.currency.major(1))
        return f"once for the line, half up (a half away from zero), to {step} {self.price.currency.code}"

    def as_json(self) -> dict[str, Any]:
        """The whole explanation; exact numbers are text, those named `…_minor` in minor units."""
        currency = self.price.currency
        return {
            "price": self.price.id,
            "model": self.price.model,
            "currency": currency.code,
            "quantity": plain(self.quantity),
            "billed_quantity": plain(self.billed_quantity),
            "tiers": [part.as_json(currency) for part in self.parts],
            "bound_by": self.bound,
            "share_of_period": None if self.share == ONE else str(self.share),
            "unrounded_minor": plain(self.amount_unrounded),
            "amount_minor": self.amount_minor,
            "amount": str(self.amount),
            "rounding": self.rounding,
        }


def price_line(price: Price, quantity: object, negative: Negative = "zero") -> Line:
    """The line of a quantity (Decimal, int or decimal text) under a price.

    A quantity below zero, a period of more corrections than usage, is billed as zero usage, as Stripe does; with
    `negative="refuse"` it is an error. Zero usage still owes a first tier's flat amount and the price's minimum.

    Raises:
        QuantityInvalid: the quantity is missing, a float, no number, has more than 12 decimals, or is refused.
    """
    given = quantity_of(quantity)
    if given < 0 and negative == "refuse":
        raise QuantityInvalid("quantity", f"{given} is below zero")
    billed = _billed(price, max(given, ZERO))
    parts = tuple(parts_of(price, billed))
    total = _within(price.minimum, price.maximum, _sum(parts))
    return Line(price, given, billed, parts, total, half_up(total))


def prorated(line: Line, share: Fraction) -> Line:
    """The same line for a `share` of its period, rounded once from the exact amount.

    Raises:
        TermsConflict: the share does not lie between 0 and 1.
    """
    if not 0 <= share <= 1:
        raise TermsConflict("share", f"{share} does not lie between 0 and 1")
    return replace(line, share=share, amount_minor=half_up(line.amount_unrounded, share))


def stripe_amounts(line: Line) -> list[int]:
    """The amounts of the invoice lines Stripe makes of it: a tier's units and its flat amount are lines of their own.

    Each is rounded for itself, so their sum can differ from the line's by half a minor unit a part. A minimum or
    maximum, which Stripe does not have, adds one more where it binds.
    """
    price = line.price
    if price.model not in TIERED:
        return [line.amount_minor]
    amounts = []
    for part in line.parts:
        amounts.append(half_up(part.units_amount))
        if part.flat_amount:
            amounts.append(half_up(part.flat_amount))
    total = Decimal(sum(amounts))
    low, high = (None if bound is None else Decimal(half_up(bound)) for bound in (price.minimum, price.maximum))
    if mend := int(_within(low, high, total) - total):
        amounts.append(mend)
    return amounts


def _billed(price: Price, quantity: Decimal) -> Decimal:
    if price.package is None:
        return quantity
    packages, rest = EXACT.divmod(quantity, price.package.divide_by)
    return EXACT.add(packages, Decimal(1)) if rest and price.package.round == "up" else packages


def _within(minimum: Decimal | None, maximum: Decimal | None, amount: Decimal) -> Decimal:
    if minimum is not None and amount < minimum:
        return minimum
    if maximum is not None and amount > maximum:
        return maximum
    return amount


def _sum(parts: tuple[Part, ...]) -> Decimal:
    total = ZERO
    for part in parts:
        total = EXACT.add(total, part.amount_unrounded)
    return total
