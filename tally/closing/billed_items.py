"""What a final invoice bills for a counter, item by item: each subscription item bills all of it, by its own price.

Pure arithmetic in minor units, over lines that were read and prices that were read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tally.closing.amounts import Settled, cost, credited_lines, owed
from tally.closing.errors import Unpriceable
from tally.closing.invoice import BilledLine, FinalInvoice
from tally.pricing import Price
from tally.stripe.invoices import OF_PRICE


@dataclass(frozen=True)
class BilledItem:
    """The lines that bill the counter by one price. `price_id` names it; every line has it."""

    item_id: str
    price_id: str
    lines: tuple[BilledLine, ...]

    @property
    def quantity(self) -> Decimal:
        return sum((line.quantity for line in self.lines), Decimal(0))

    @property
    def amount(self) -> int:
        """What the lines come to, in minor units."""
        return sum(line.amount for line in self.lines)


def billed_items(invoice: FinalInvoice, quantity: Decimal) -> list[BilledItem]:
    """The invoice's lines by item, each of which bills `quantity`.

    Raises:
        Unpriceable: what the counter is billed by, and how much of it, cannot be said for certain.
    """
    lines_of: dict[str, list[BilledLine]] = {}
    for line in invoice.lines:
        lines_of.setdefault(line.item_id, []).append(line)
    if len(lines_of) > 1 and any(item_id.startswith(OF_PRICE) for item_id in lines_of):
        raise Unpriceable(_change(invoice))
    items = []
    for item_id, lines in lines_of.items():
        prices = sorted({line.price_id for line in lines})
        if len(prices) != 1 or not prices[0]:
            raise Unpriceable(f"invoice {invoice.invoice_id} bills {item_id} under {len(prices)} prices")
        items.append(BilledItem(item_id, prices[0], tuple(lines)))
    for item in items:
        if item.quantity != quantity:
            raise Unpriceable(
                f"invoice {invoice.invoice_id} bills {item.quantity:f} for {item.item_id}, {quantity:f} was read"
            )
    return items


def _change(invoice: FinalInvoice) -> str:
    """Two prices in one counter: what was used at which is known once the period is cut where the price changed."""
    at = max(line.starts_at for line in invoice.lines)
    return (
        f"its price changed at {at:%Y-%m-%dT%H:%M:%S} UTC: cut the period there (`tally periods split CUSTOMER --at"
        f" {at:%Y-%m-%dT%H:%M:%S}`), count it anew (`tally replay --customer CUSTOMER --closed --apply`), read it"
        " (`tally reconcile`): the next run settles each part"
    )


def require_known_prices(items: Sequence[BilledItem], prices: Mapping[str, Price], invoice_id: str) -> None:
    """Each item's lines come to what its price gives; what is marginal to something else is no amount of ours.

    Raises:
        Unpriceable: they do not.
    """
    for item in items:
        expected = cost(prices[item.price_id], item.quantity)
        if item.amount != expected:
            raise Unpriceable(
                f"invoice {invoice_id} bills {item.amount} minor units for {item.quantity:f};"
                f" price {item.price_id}: {expected}"
            )


def due(
    items: Sequence[BilledItem], prices: Mapping[str, Price], invoiced: Decimal, settled: Settled, target: Decimal
) -> int:
    """What is left to bill for the counter to cost what `target` costs; negative: to give back; 0: neither."""
    return owed(sum(_step(item, prices, invoiced, target) for item in items), settled)


def lines_to_credit(
    items: Sequence[BilledItem], prices: Mapping[str, Price], step: tuple[Decimal, Decimal], amount: int
) -> list[dict[str, Any]] | None:
    """The lines of a credit note over `amount` (positive) for a `step` from a quantity to another; None: none bear it.

    Each item's part on its own lines where the parts come to the amount; else from the last line backwards.
    """
    before, after = step
    every = [line for item in items for line in item.lines]
    parts = [-_step(item, prices, before, after) for item in items]
    if len(items) == 1 or sum(parts) != amount or min(parts) < 0:
        return credited_lines(every, before - after, amount)
    result: list[dict[str, Any]] = []
    for item, part in zip(items, parts, strict=True):
        lines = credited_lines(item.lines, before - after, part) if part else []
        if lines is None:
            return credited_lines(every, before - after, amount)
        result += lines
    return result


def _step(item: BilledItem, prices: Mapping[str, Price], before: Decimal, after: Decimal) -> int:
    price = prices[item.price_id]
    return cost(price, after) - cost(price, before)
