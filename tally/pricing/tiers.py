"""How a quantity falls into a price's tiers, and what each part of it costs, exact."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tally.pricing.currency import Currency
from tally.pricing.exact import EXACT, ZERO, half_up, plain
from tally.pricing.price import Price, Tier


@dataclass(frozen=True)
class Part:
    """`quantity` units at `unit_amount` and a `flat_amount`, in minor units. `tier` counts from 1; None: no tiers."""

    tier: int | None
    above: Decimal
    up_to: Decimal | None
    quantity: Decimal
    unit_amount: Decimal
    flat_amount: Decimal

    @property
    def units_amount(self) -> Decimal:
        return EXACT.multiply(self.quantity, self.unit_amount)

    @property
    def amount_unrounded(self) -> Decimal:
        return EXACT.add(self.units_amount, self.flat_amount)

    def as_json(self, currency: Currency) -> dict[str, Any]:
        """`amount` is this part rounded for itself; only the line's amount is billed."""
        return {
            "tier": self.tier,
            "above": plain(self.above),
            "up_to": None if self.up_to is None else plain(self.up_to),
            "quantity": plain(self.quantity),
            "unit_amount_minor": plain(self.unit_amount),
            "flat_amount_minor": plain(self.flat_amount),
            "unrounded_minor": plain(self.amount_unrounded),
            "amount": str(currency.major(half_up(self.amount_unrounded))),
        }


def parts_of(price: Price, quantity: Decimal) -> Iterator[Part]:
    """The parts of a quantity of zero or more: one, or one for each tier that a graduated price reaches."""
    if price.model == "graduated":
        yield from _graduated(price.tiers, quantity)
    elif price.model == "volume":
        yield _volume(price.tiers, quantity)
    else:
        amount = price.unit_amount or ZERO
        if price.model == "flat":
            yield Part(None, ZERO, None, ZERO, ZERO, amount)
        else:
            yield Part(None, ZERO, None, quantity, amount, ZERO)


def _graduated(tiers: tuple[Tier, ...], quantity: Decimal) -> Iterator[Part]:
    """Each tier's own units at its own amount. The first tier is reached by nothing at all, with its flat amount."""
    above = ZERO
    for number, tier in enumerate(tiers, start=1):
        if number > 1 and quantity <= above:
            return
        end = quantity if tier.up_to is None else min(quantity, tier.up_to)
        used = EXACT.subtract(end, above)
        yield Part(number, above, tier.up_to, used, tier.unit_amount, tier.flat_amount)
        above = end


def _volume(tiers: tuple[Tier, ...], quantity: Decimal) -> Part:
    """All units at the amount of the tier that the whole quantity falls into."""
    above = ZERO
    for number, tier in enumerate(tiers, start=1):
        if tier.up_to is None or quantity <= tier.up_to:
            return Part(number, above, tier.up_to, quantity, tier.unit_amount, tier.flat_amount)
        above = tier.up_to
    raise AssertionError("Price refuses tiers that leave a quantity out")
