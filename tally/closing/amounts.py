"""What a rest costs: the price of the counter as it is now, minus what was billed of it; by the invoice's own price.

Pure arithmetic in minor units. What was waived (written off, or rejected by a person) stays waived for that counter,
and what a person refused to give back stays billed: only what goes beyond is asked for, or given back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tally.closing.invoice import BilledLine
from tally.pricing import Price, price_line, stripe_amounts


@dataclass(frozen=True)
class Settled:
    """What the earlier rests of a counter came to: billed on top of the invoice (net of credits), waived, kept."""

    billed: int
    waived: int
    kept: int


def cost(price: Price, quantity: Decimal) -> int:
    """What Stripe's invoice lines for a quantity come to."""
    return sum(stripe_amounts(price_line(price, quantity)))


def owed(missing: int, settled: Settled) -> int:
    """What is left to bill of `missing`, the price of what no invoice bills; negative: to give back; 0: neither."""
    missing -= settled.billed
    if missing > settled.waived:
        return missing - settled.waived
    if missing < -settled.kept:
        return missing + settled.kept
    return 0


def credited_lines(lines: Sequence[BilledLine], quantity: Decimal, amount: int) -> list[dict[str, Any]] | None:
    """The lines of a credit note over `amount` (positive); None where the lines no longer bear it.

    By quantity where one line has a unit amount and `quantity` units of it come to exactly the amount; else by amount,
    from the last line (the highest tier) backwards.
    """
    if sum(line.amount - line.credited for line in lines) < amount:
        return None
    if len(lines) == 1 and quantity == quantity.to_integral_value():
        [line] = lines
        if line.unit_amount is not None and line.unit_amount * quantity == amount and quantity <= int(line.quantity):
            return [{"type": "invoice_line_item", "invoice_line_item": line.line_id, "quantity": int(quantity)}]
    result, left = [], amount
    for line in reversed(lines):
        part = min(left, line.amount - line.credited)
        if part > 0:
            result.append({"type": "invoice_line_item", "invoice_line_item": line.line_id, "amount": part})
            left -= part
    return result
