"""Pricing a column of quantities at once, to the same amounts as `price_line`, in whole numbers that provably fit.

Polars' decimals round a product to its column's scale and its 128-bit integers wrap without a word. So quantities and
amounts are scaled to whole 128-bit numbers, and the largest one that can arise is computed before any is.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal

import polars as pl

from tally.pricing.errors import AmountTooLarge, QuantityInvalid, UnknownModel
from tally.pricing.exact import shifted
from tally.pricing.line import Negative
from tally.pricing.price import Price
from tally.pricing.price_table import NEVER, WIDE, PriceTable

_QUANTITY, _PRICE, _TIER = pl.col("quantity"), pl.col("price"), pl.col("tier")


def price_lines(
    frame: pl.DataFrame, price: Price, quantity: str = "quantity", negative: Negative = "zero", per_tier: bool = False
) -> pl.DataFrame:
    """`frame` with a column `amount_minor` (Int64): each row's `price_line(price, quantity, negative).amount_minor`.

    `quantity` names a column of whole numbers or decimals. With `per_tier` the amounts are the sums of Stripe's invoice
    lines (`stripe_amounts`).

    Raises:
        QuantityInvalid: the column is missing, of floats or text, or has an empty row (missing is not zero); or a
            quantity is negative and `negative` is "refuse".
        AmountTooLarge: the largest quantity's cost would not fit 128 bits exactly, or its amount 64.
    """
    index = pl.Series("price", [0], dtype=pl.UInt32).new_from_index(0, frame.height)
    return frame.with_columns(_amounts(frame, quantity, index, [price], negative, per_tier))


def price_lines_by(
    frame: pl.DataFrame,
    prices: Mapping[str, Price],
    by: str = "metric",
    quantity: str = "quantity",
    negative: Negative = "zero",
    per_tier: bool = False,
) -> pl.DataFrame:
    """`price_lines` where the text column `by` names each row's price.

    Raises:
        UnknownModel: there is no such column, or a row names no price, or one that is not in `prices`. No row is free.
        QuantityInvalid, AmountTooLarge: as `price_lines`.
    """
    if by not in frame.columns:
        raise UnknownModel(by, f"is no column of {', '.join(frame.columns)}")
    index = frame[by].replace_strict(list(prices), range(len(prices)), default=None, return_dtype=pl.UInt32)
    if index.null_count():
        unpriced = sorted(str(name) for name in frame[by].filter(index.is_null()).unique())
        raise UnknownModel(by, f"no price for {', '.join(unpriced)}")
    return frame.with_columns(_amounts(frame, quantity, index, list(prices.values()), negative, per_tier))


def _amounts(
    frame: pl.DataFrame, name: str, index: pl.Series, prices: Sequence[Price], negative: Negative, per_tier: bool
) -> pl.Series:
    """The amounts; `index` (UInt32) says which of the prices each row has."""
    if frame.is_empty():
        return pl.Series("amount_minor", [], dtype=pl.Int64)
    quantities, decimals = _whole_quantities(frame, name, negative)
    rows = pl.DataFrame([quantities.alias("quantity"), index.alias("price")])
    table = _table(rows, prices, decimals, per_tier)
    priced = rows.lazy().with_columns(quantity=_billed(table)).with_columns(tier=_tier(table)).select(_cost(table))
    return priced.collect().to_series()


def _table(rows: pl.DataFrame, prices: Sequence[Price], decimals: int, per_tier: bool) -> PriceTable:
    overall = int(rows["quantity"].max())  # type: ignore[arg-type]  # a whole number, for there are rows
    try:
        return PriceTable.of(prices, decimals, [overall] * len(prices), per_tier)
    except AmountTooLarge:
        # Too careful: tokens are counted in other sizes than seats. So each price by its own largest quantity, and a
        # price without rows, whose decimals would widen the others' numbers, by another one's numbers.
        largest = dict(rows.group_by("price").agg(_QUANTITY.max()).rows())
        meant = [number if number in largest else next(iter(largest)) for number in range(len(prices))]
        own = [largest[number] for number in meant]
        return PriceTable.of([prices[number] for number in meant], decimals, own, per_tier)


def _whole_quantities(frame: pl.DataFrame, name: str, negative: Negative) -> tuple[pl.Series, int]:
    """The column as Int128, none below zero, and how many decimals are in its whole numbers."""
    if name not in frame.columns:
        raise QuantityInvalid(name, f"is no column of {', '.join(frame.columns)}")
    column = frame[name]
    if not (column.dtype.is_integer() or column.dtype.is_decimal()):
        raise QuantityInvalid(name, f"is {column.dtype}; exact amounts need whole numbers or decimals")
    if column.null_count():
        raise QuantityInvalid(name, f"is empty in {column.null_count()} rows; missing usage is not zero usage")
    decimals = column.dtype.scale if isinstance(column.dtype, pl.Decimal) else 0
    values = column.to_physical().cast(WIDE)
    lowest = int(values.min())  # type: ignore[arg-type]  # a whole number, for there are rows
    if lowest < 0 and negative == "refuse":
        raise QuantityInvalid(name, f"{shifted(Decimal(lowest), -decimals)} is below zero")
    return (values.clip(lower_bound=0) if lowest < 0 else values), decimals


def _billed(table: PriceTable) -> pl.Expr:
    """Whole packages where a price has them; all at the table's quantity decimals."""
    scaled = _QUANTITY if table.finer == 1 else _QUANTITY * _whole(table.finer)
    if not table.has_packages:
        return scaled
    return (scaled + _of(table.begun, _PRICE)) // _of(table.size, _PRICE) * _of(table.package, _PRICE)


def _tier(table: PriceTable) -> pl.Expr:
    """The row of the table that each quantity falls into: its price's first, and one on for each end it lies above."""
    tier = _of(table.first, _PRICE, pl.UInt32)
    for ends in table.ends:
        tier = tier + (_of(ends, _PRICE) < _QUANTITY).cast(pl.UInt32)
    return tier


def _cost(table: PriceTable) -> pl.Expr:
    cost = _QUANTITY * _of(table.gradients, _TIER) + _of(table.offsets, _TIER)
    cost = _clipped(cost, table.lowest, table.highest)
    amounts = (cost + _whole(table.one // 2)) // _whole(table.one) + _of(table.settled, _TIER)
    return _clipped(amounts, table.lowest_amount, table.highest_amount).cast(pl.Int64).alias("amount_minor")


def _clipped(values: pl.Expr, lowest: Sequence[int], highest: Sequence[int]) -> pl.Expr:
    low = _of(lowest, _PRICE) if any(lowest) else None
    high = _of(highest, _PRICE) if any(bound < NEVER for bound in highest) else None
    return values if low is None and high is None else values.clip(low, high)


def _of(numbers: Sequence[int], row: pl.Expr, dtype: type[pl.DataType] = WIDE) -> pl.Expr:
    """The number of each row's price or tier."""
    if len(set(numbers)) == 1:
        return pl.lit(numbers[0], dtype=dtype)
    return pl.lit(pl.Series(numbers, dtype=dtype)).gather(row)


def _whole(number: int) -> pl.Expr:
    return pl.lit(number, dtype=WIDE)
