"""What Stripe bills for a subscription: the usage lines of its invoices, and of the preview of the next one."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

import stripe

from tally.periods import Period
from tally.stripe_account import StripeAccount

PREVIEW = "preview"
# Statuses under which Stripe no longer changes a line.
FINAL = frozenset({"open", "paid", "void", "uncollectible"})


@dataclass(frozen=True)
class UsageLine:
    """One line of one subscription item. `amount` is in the currency's minor unit.

    A graduated price gives an item several lines of the same period: their quantities add up.
    """

    invoice_id: str
    invoice_status: str
    line_id: str
    item_id: str
    starts_at: datetime
    quantity: Decimal
    amount: Decimal
    currency: str


@dataclass(frozen=True)
class BilledQuantity:
    """What an item's period is billed for: the lines of one invoice, or of the preview, added up."""

    invoice_id: str
    invoice_line_id: str
    invoice_status: str
    quantity: Decimal
    amount: Decimal
    currency: str


def read_invoice_lines(account: StripeAccount, subscription_id: str, created_from: datetime) -> list[UsageLine]:
    """The lines of the subscription's invoices created since then, newest invoice first; drafts' lines may lag."""
    account.reads.wait()
    page = account.client.v1.invoices.list(
        {"subscription": subscription_id, "created": {"gte": int(created_from.timestamp())}, "limit": 100},
        account.options(),
    )
    return [line for invoice in page.auto_paging_iter() for line in _lines(invoice, invoice.status or "draft")]


def read_preview_lines(account: StripeAccount, subscription_id: str) -> list[UsageLine]:
    """The lines of the invoice that comes next, with the usage Stripe has counted so far; none when none comes."""
    account.reads.wait()
    try:
        preview = account.client.v1.invoices.create_preview({"subscription": subscription_id}, account.options())
    except stripe.InvalidRequestError as error:
        if error.code == "invoice_upcoming_none":
            return []
        raise
    return list(_lines(preview, PREVIEW))


def billed(lines: list[UsageLine], item_ids: frozenset[str], period: Period) -> BilledQuantity | None:
    """What `period` of these items is billed for; None where no invoice has a line for it, which is not zero.

    A void invoice counts only where there is no other.
    """
    found = [line for line in lines if line.item_id in item_ids and line.starts_at in period]
    found = [line for line in found if line.invoice_status != "void"] or found
    if not found:
        return None
    return BilledQuantity(
        invoice_id=found[0].invoice_id,
        invoice_line_id=",".join(line.line_id for line in found),
        invoice_status=found[0].invoice_status,
        quantity=sum((line.quantity for line in found), Decimal(0)),
        amount=sum((line.amount for line in found), Decimal(0)),
        currency=found[0].currency,
    )


def _lines(invoice: stripe.Invoice, status: str) -> Iterator[UsageLine]:
    for line in invoice.lines.auto_paging_iter():
        details = line.parent.subscription_item_details if line.parent else None
        # Prorations and invoice items are money moved about, not usage; a flat line has no decimal quantity to compare.
        if details is None or details.proration or line.quantity_decimal is None:
            continue
        yield UsageLine(
            invoice_id=invoice.id,
            invoice_status=status,
            line_id=line.id,
            item_id=details.subscription_item,
            starts_at=datetime.fromtimestamp(line.period.start, UTC),
            quantity=line.quantity_decimal,
            amount=Decimal(line.amount),
            currency=line.currency,
        )
