"""A price as pieces of straight lines: in each tier the cost is `slope × quantity + offset`, exact.

Every model is such a line, so pricing a column is one look-up, one multiplication and one rounding per row.
"""

from dataclasses import dataclass
from decimal import Decimal

from tally.pricing.exact import EXACT, ZERO, half_up
from tally.pricing.price import Price, Tier


@dataclass(frozen=True)
class Slope:
    """Quantities up to and including `up_to` (None: all) cost `slope × quantity + offset`, rounded, plus `settled`.

    `settled` is what is rounded already, for invoices that round each tier by itself.
    """

    up_to: Decimal | None
    slope: Decimal
    offset: Decimal
    settled: int = 0


def slopes_of(price: Price, per_tier: bool = False) -> list[Slope]:
    """The pieces of a price in minor units, without its minimum and maximum; of the packages where it has them.

    With `per_tier` the units and the flat amount of each tier are rounded separately, as Stripe's invoice lines are.
    """
    if price.model == "graduated":
        return _graduated(price.tiers, per_tier)
    if price.model == "volume":
        return [_volume(tier, per_tier) for tier in price.tiers]
    amount = price.unit_amount or ZERO
    return [Slope(None, ZERO, amount) if price.model == "flat" else Slope(None, amount, ZERO)]


def _volume(tier: Tier, per_tier: bool) -> Slope:
    if per_tier:
        return Slope(tier.up_to, tier.unit_amount, ZERO, half_up(tier.flat_amount))
    return Slope(tier.up_to, tier.unit_amount, tier.flat_amount)


def _graduated(tiers: tuple[Tier, ...], per_tier: bool) -> list[Slope]:
    slopes, above, below, settled = [], ZERO, ZERO, 0
    for tier in tiers:
        start = EXACT.multiply(above, tier.unit_amount)
        if per_tier:
            settled += half_up(tier.flat_amount)
            slopes.append(Slope(tier.up_to, tier.unit_amount, EXACT.minus(start), settled))
        else:
            below = EXACT.add(below, tier.flat_amount)
            slopes.append(Slope(tier.up_to, tier.unit_amount, EXACT.subtract(below, start)))
        if tier.up_to is not None:
            full = EXACT.multiply(EXACT.subtract(tier.up_to, above), tier.unit_amount)
            settled += half_up(full) if per_tier else 0
            below = EXACT.add(below, full)
            above = tier.up_to
    return slopes
