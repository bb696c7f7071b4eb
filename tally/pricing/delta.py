"""What an event adds: the line after it minus the line before it, so that the events of a period add up to its line."""

from dataclasses import dataclass
from decimal import Decimal

from tally.pricing.exact import EXACT
from tally.pricing.line import Line, price_line
from tally.pricing.price import Price


@dataclass(frozen=True)
class Delta:
    """From one cumulative quantity to another. Both amounts are in minor units and can be negative.

    A volume price that reaches a cheaper tier reprices every unit, so more usage can make the total fall.
    """

    before: Line
    after: Line

    @property
    def amount_unrounded(self) -> Decimal:
        return EXACT.subtract(self.after.amount_unrounded, self.before.amount_unrounded)

    @property
    def amount_minor(self) -> int:
        """The difference of the two rounded lines; differences of consecutive events add up to the last line."""
        return self.after.amount_minor - self.before.amount_minor


def price_delta(price: Price, before: object, after: object) -> Delta:
    """What moving from one cumulative quantity to another costs. Raises QuantityInvalid as `price_line` does."""
    return Delta(price_line(price, before), price_line(price, after))
