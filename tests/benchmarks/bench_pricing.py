"""`make bench-pricing`: a million (customer, meter) rows over five tiers, against a plain loop over their Decimals.

Both price the same rows to the same amounts in the same run, and so does `price_line`; every amount is compared.
"""

import argparse
import os
import random
import statistics
import sys
import time
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import TypeVar

import polars as pl
from rich.console import Console

from tally.pricing import Price, Tier, currency_of, price_line
from tally.pricing.columns import price_lines_by
from tests.benchmarks.bars import at_least, at_most, report

METERS = ("api_calls", "gigabytes", "minutes", "seats", "tokens")
ENDS = (Decimal(1000), Decimal(10_000), Decimal(50_000), Decimal(250_000))
WHOLE = Decimal(1)
Result = TypeVar("Result")


def main() -> int:
    """Time both ways of pricing the same rows; the exit status is 1 when a bar does not hold."""
    options = _options()
    console = Console()
    before = os.getloadavg()[0]
    prices = {meter: _price(number) for number, meter in enumerate(METERS, start=1)}
    frame = _rows(options.rows, options.seed)

    vectorised, priced = _timed(lambda: price_lines_by(frame, prices)["amount_minor"], options.repeats)
    quantities, meters = frame["quantity"].to_list(), frame["metric"].to_list()
    plain, looped = _timed(lambda: _plain_loop(quantities, meters, prices), 3)
    sample = range(0, options.rows, max(1, options.rows // options.explained))
    explaining, explained = _timed(
        lambda: [price_line(prices[meters[row]], quantities[row]).amount_minor for row in sample], 1
    )

    unequal = sum(amount != other for amount, other in zip(priced.to_list(), looped, strict=True))
    unequal += sum(looped[row] != amount for row, amount in zip(sample, explained, strict=True))
    rate, plain_rate, line_rate = options.rows / vectorised, options.rows / plain, len(sample) / explaining
    console.print(
        f"{options.rows:,} rows, {len(ENDS) + 1} tiers, {len(METERS)} meters: {rate:,.0f} rows/s at once,"
        f" {plain_rate:,.0f} rows/s in a plain Decimal loop,"
        f" {line_rate:,.0f} lines/s with price_line ({len(sample):,} of them)."
        f" {os.cpu_count()} cores; load average {before:.1f} before and {os.getloadavg()[0]:.1f} after."
    )
    return report(
        "pricing",
        [
            at_least("rows priced at once, against a plain Decimal loop", rate / plain_rate, "times as fast", 10),
            at_least("rows priced at once", rate, "rows/s", 10 * plain_rate),
            at_most("amounts that differ", unequal, "rows", 0),
        ],
        console,
    )


def _rows(count: int, seed: int) -> pl.DataFrame:
    """Quantities of three decimals in every tier, as the ledger's numeric has them: twelve decimals."""
    dice = random.Random(seed)
    thousandths = [int(10 ** dice.uniform(0, 9)) for _ in range(count)]
    return pl.DataFrame(
        {
            "customer_ref": pl.Series([f"customer_{row // len(METERS)}" for row in range(count)]),
            "metric": pl.Series([METERS[row % len(METERS)] for row in range(count)]),
            "quantity": pl.Series([Decimal(number).scaleb(-3) for number in thousandths], dtype=pl.Decimal(38, 12)),
        }
    )


def _price(number: int) -> Price:
    """Five graduated tiers, sub-cent, with flat amounts."""
    units = [Decimal(amount) * number for amount in ("1", "0.85", "0.7", "0.512345", "0.3333")]
    flats = [Decimal(amount) for amount in (500, 0, 100, 0, 2500)]
    tiers = tuple(Tier(end, unit, flat) for end, unit, flat in zip((*ENDS, None), units, flats, strict=True))
    return Price("graduated", currency_of("usd"), tiers=tiers)


def _plain_loop(quantities: list[Decimal], meters: list[str], prices: dict[str, Price]) -> list[int]:
    """What one would write by hand: no validation, no explanation, exact decimals, one rounding a row."""
    tables = {
        meter: [(tier.up_to, tier.unit_amount, tier.flat_amount) for tier in price.tiers]
        for meter, price in prices.items()
    }
    amounts = []
    with localcontext(prec=50):
        for quantity, meter in zip(quantities, meters, strict=True):
            above, total = Decimal(0), Decimal(0)
            for up_to, unit_amount, flat_amount in tables[meter]:
                if up_to is None or quantity <= up_to:
                    total += (quantity - above) * unit_amount + flat_amount
                    break
                total += (up_to - above) * unit_amount + flat_amount
                above = up_to
            amounts.append(int(total.quantize(WHOLE, ROUND_HALF_UP)))
    return amounts


def _timed(run: Callable[[], Result], repeats: int) -> tuple[float, Result]:
    """The median of the runs' seconds, and the last result."""
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        result = run()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds), result


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=5, help="runs at once, of which the median counts")
    parser.add_argument("--explained", type=int, default=100_000, help="rows that price_line also prices")
    parser.add_argument("--seed", type=int, default=6)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
