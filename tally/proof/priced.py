"""A line priced again: what its quantity costs under the price, and where Stripe rounds it."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tally.pricing import Line, PricingError, price_from_stripe, price_line, stripe_amounts
from tally.pricing.exact import half_up
from tally.proof.billed_line import BilledLine
from tally.proof.prices import PriceKey, Terms


@dataclass(frozen=True)
class Priced:
    """`amounts` of the invoice lines, in minor units, and how they were rounded."""

    price_id: str
    terms: Terms
    line: Line
    amounts: tuple[int, ...]
    rounding: str

    @property
    def amount(self) -> int:
        return sum(self.amounts)


def priced(line: BilledLine, quantity: Decimal, prices: Mapping[PriceKey, Terms]) -> Priced | str:
    """What `quantity` of the line costs, or a sentence that says why that is not known."""
    if not line.price_ids:
        return "no price of the period is known: `tally sync` reads them"
    if len(line.price_ids) > 1:
        listed = ", ".join(line.price_ids)
        return f"several prices billed it ({listed}): `tally periods split` cuts a period where its price changes"
    [price_id] = line.price_ids
    terms = prices.get((line.account, line.livemode, price_id))
    if terms is None:
        return f"price {price_id} was not read: `tally sync` reads it"
    try:
        priced_line = price_line(price_from_stripe(terms), quantity)
    except PricingError as error:
        return f"price {price_id}: {error}"
    if line.is_trial:
        return Priced(price_id, terms, priced_line, (0,), "not at all: a trial bills usage at 0")
    amounts, rounding = _rounded(priced_line, len(line.line_ids))
    return Priced(price_id, terms, priced_line, amounts, rounding)


def _rounded(line: Line, invoice_lines: int) -> tuple[tuple[int, ...], str]:
    """As many amounts as the invoice has lines, each rounded for itself; else one, rounded once."""
    for amounts in (stripe_amounts(line), [half_up(part.amount_unrounded) for part in line.parts]):
        if len(amounts) == invoice_lines > 1:
            words = line.rounding.replace("once for the line", f"once for each of the {invoice_lines} invoice lines")
            return tuple(amounts), words
    return (line.amount_minor,), line.rounding


def terms_as_text(terms: Mapping[str, Any]) -> dict[str, str]:
    """The terms by name, each as text: to be compared and shown."""
    return {name: str(value) for name, value in sorted(terms.items()) if name != "recurring"}
