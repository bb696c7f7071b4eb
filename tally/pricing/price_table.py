"""Prices as one table of whole numbers: what a column is priced with, proven to fit before it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate

import polars as pl

from tally.pricing.errors import AmountTooLarge
from tally.pricing.exact import decimals_of, half_up, shifted
from tally.pricing.price import Price
from tally.pricing.slopes import Slope, slopes_of

WIDE = pl.Int128
NEVER = 2**127 - 1  # the end of the last tier, and the maximum of a price without one
_LARGEST_AMOUNT = 2**63 - 1


@dataclass(frozen=True)
class PriceTable:
    """Whole numbers, by price or by tier of all prices in a row. Quantities come with `finer` times more decimals.

    A cost is in units of `1 / one` minor units: `quantity × gradients + offsets`, and `settled` whole ones on top.
    `ends[n]` holds the end of each price's tier n, NEVER for the last one and for prices with fewer tiers. Packages are
    `(quantity + begun) // size × package`.
    """

    finer: int
    begun: list[int]
    size: list[int]
    package: list[int]
    first: list[int]
    ends: list[list[int]]
    one: int
    gradients: list[int]
    offsets: list[int]
    settled: list[int]
    lowest: list[int]
    highest: list[int]
    lowest_amount: list[int]
    highest_amount: list[int]

    @property
    def has_packages(self) -> bool:
        return any(number > 1 for number in (*self.size, *self.package))

    @classmethod
    def of(cls, prices: Sequence[Price], decimals: int, largest: Sequence[int], per_tier: bool) -> "PriceTable":
        """The table of prices for quantities of so many decimals, of which `largest` is each price's greatest.

        Raises:
            AmountTooLarge: the cost of a largest quantity does not fit 128 bits, or its amount 64.
        """
        slopes = [slopes_of(price, per_tier) for price in prices]
        sizes = [price.package.divide_by for price in prices if price.package]
        fine = max(decimals, *(decimals_of(size) for size in sizes), 0)
        rows = [row for each in slopes for row in each]
        bounds = [bound for price in prices for bound in (price.minimum, price.maximum) if bound is not None]
        places = max(
            *(fine + decimals_of(row.slope) for row in rows),
            *(decimals_of(each) for each in [*(row.offset for row in rows), *bounds]),
        )
        table = cls(
            finer=10 ** (fine - decimals),
            begun=[_size(price, fine) - 1 if price.package and price.package.round == "up" else 0 for price in prices],
            size=[_size(price, fine) for price in prices],
            package=[10**fine if price.package else 1 for price in prices],
            first=[0, *accumulate(len(each) for each in slopes)][: len(slopes)],
            ends=_ends(slopes, fine),
            one=10**places,
            gradients=[_whole(row.slope, places - fine) for row in rows],
            offsets=[_whole(row.offset, places) for row in rows],
            settled=[row.settled for row in rows],
            lowest=[0 if per_tier or price.minimum is None else _whole(price.minimum, places) for price in prices],
            highest=[NEVER if per_tier else _end(price.maximum, places) for price in prices],
            lowest_amount=[0 if price.minimum is None else half_up(price.minimum) for price in prices],
            highest_amount=[NEVER if price.maximum is None else min(half_up(price.maximum), NEVER) for price in prices],
        )
        for number, price in enumerate(prices):
            table._check_fits(number, price, len(slopes[number]), largest[number])
        return table

    def _check_fits(self, number: int, price: Price, tiers: int, largest: int) -> None:
        mine = slice(self.first[number], self.first[number] + tiers)
        counted = largest * self.finer + self.size[number]
        billed = counted // self.size[number] * self.package[number] + self.package[number]
        cost = billed * max(self.gradients[mine]) + max(map(abs, self.offsets[mine])) + self.lowest[number] + self.one
        amount = cost // self.one + max(self.settled[mine]) + self.lowest_amount[number]
        if max(counted, billed, cost) > NEVER or amount > _LARGEST_AMOUNT:
            name = price.id or price.model
            raise AmountTooLarge(
                "quantity", f"the largest one under price {name} costs more than fits; price such rows with price_line"
            )


def _size(price: Price, decimals: int) -> int:
    return _whole(price.package.divide_by, decimals) if price.package else 1


def _ends(slopes: Sequence[Sequence[Slope]], decimals: int) -> list[list[int]]:
    # A whole number lies above a fraction exactly when it lies above the fraction's whole part.
    steps = range(max(map(len, slopes)) - 1)
    return [[_end(each[step].up_to, decimals) if step < len(each) else NEVER for each in slopes] for step in steps]


def _end(up_to: Decimal | None, decimals: int) -> int:
    return NEVER if up_to is None else min(_whole(up_to, decimals), NEVER)


def _whole(number: Decimal, decimals: int) -> int:
    return int(shifted(number, decimals))
