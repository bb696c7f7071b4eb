"""What Stripe bills for a subscription: the usage lines of its invoices, and of the preview of the next one."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import stripe

from tally.periods import Period
from tally.stripe.account import StripeAccount

PREVIEW = "preview"
# What was used before a price changed in mid-period is an invoice item: its line names the price, and no item.
OF_PRICE = "price:"
_MINUTE = timedelta(minutes=1)
# Statuses under which Stripe no longer changes a line.
FINAL = frozenset({"open", "paid", "void", "uncollectible"})


def find_invoice(account: StripeAccount, invoice_id: str) -> stripe.Invoice | None:
    """The invoice as it stands now; None where Stripe has it no more (a draft may be deleted).

    Raises:
        stripe.StripeError: it could not be read.
    """
    account.reads.wait()
    try:
        return account.client.v1.invoices.retrieve(invoice_id, None, account.options())
    except stripe.InvalidRequestError as error:
        if error.http_status == 404:
            return None
        raise


@dataclass(frozen=True)
class UsageLine:
    """One line of one subscription item. `amount` is in the currency's minor unit, before discounts and tax.

    A graduated price gives an item several lines of the same period: their quantities add up. `item_id` is
    `price:<price id>` for usage from before a price changed. `finalizes_at` is when Stripe will make the invoice final
    by itself; None: it is no draft, or is held.
    """

    invoice_id: str
    invoice_status: str
    line_id: str
    item_id: str
    price_id: str | None
    starts_at: datetime
    ends_at: datetime
    finalizes_at: datetime | None
    quantity: Decimal
    amount: Decimal
    currency: str


@dataclass(frozen=True)
class BilledQuantity:
    """What an item's period is billed for: the lines of one invoice, or of the preview, added up.

    `[starts_at, ends_at)` is the span of the lines, which may be longer than a segment of a period, or shorter.
    """

    invoice_id: str
    invoice_line_id: str
    invoice_status: str
    item_ids: list[str]
    price_ids: list[str]
    lines: int
    starts_at: datetime
    ends_at: datetime
    finalizes_at: datetime | None
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
    return [line for invoice in page.auto_paging_iter() for line in usage_lines(invoice, invoice.status or "draft")]


def read_preview_lines(account: StripeAccount, subscription_id: str) -> list[UsageLine]:
    """The lines of the invoice that comes next, with the usage Stripe has counted so far; none when none comes."""
    account.reads.wait()
    try:
        preview = account.client.v1.invoices.create_preview({"subscription": subscription_id}, account.options())
    except stripe.InvalidRequestError as error:
        if error.code == "invoice_upcoming_none":
            return []
        raise
    return list(usage_lines(preview, PREVIEW))


def billed(lines: list[UsageLine], item_ids: frozenset[str], period: Period) -> BilledQuantity | None:
    """What `period` of these items is billed for; None where no invoice has a line for it, which is not zero.

    The lines that begin in it, and those that cover it whole: a period cut into segments is one line at Stripe when its
    price stayed. A void invoice counts only where there is no other.
    """
    found = [line for line in lines if line.item_id in item_ids and _bills(line, period)]
    found = [line for line in found if line.invoice_status != "void"] or found
    if not found:
        return None
    return BilledQuantity(
        invoice_id=found[0].invoice_id,
        invoice_line_id=",".join(line.line_id for line in found),
        invoice_status=found[0].invoice_status,
        item_ids=sorted({line.item_id for line in found}),
        price_ids=sorted({line.price_id for line in found if line.price_id is not None}),
        lines=len(found),
        starts_at=min(line.starts_at for line in found),
        ends_at=max(line.ends_at for line in found),
        finalizes_at=found[0].finalizes_at,
        quantity=sum((line.quantity for line in found), Decimal(0)),
        amount=sum((line.amount for line in found), Decimal(0)),
        currency=found[0].currency,
    )


def _bills(line: UsageLine, period: Period) -> bool:
    # Stripe documents the end of a line's period as inclusive, and shows it exclusive: a minute either way is the same.
    return line.starts_at in period or (line.starts_at <= period.start and line.ends_at + _MINUTE >= period.end)


def usage_lines(invoice: stripe.Invoice, status: str) -> Iterator[UsageLine]:
    """The lines that bill usage, each with the invoice's `status`."""
    finalizes_at = invoice.automatically_finalizes_at if status == "draft" else None
    for line in invoice.lines.auto_paging_iter():
        price = line.pricing.price_details if line.pricing else None
        item_id = _billed_item(line, _id(price.price) if price else None)
        # A flat line has no decimal quantity to compare; an invoice that opens a subscription has lines over no time.
        if item_id is None or line.quantity_decimal is None or line.period.end <= line.period.start:
            continue
        yield UsageLine(
            invoice_id=invoice.id,
            invoice_status=status,
            line_id=line.id,
            item_id=item_id,
            price_id=_id(price.price) if price else None,
            starts_at=_moment(line.period.start),
            ends_at=_moment(line.period.end),
            finalizes_at=_moment(finalizes_at) if finalizes_at else None,
            quantity=line.quantity_decimal,
            amount=Decimal(line.amount),
            currency=line.currency,
        )


def _billed_item(line: stripe.InvoiceLineItem, price_id: str | None) -> str | None:
    """What the line bills; None: money moved about, not usage."""
    if line.parent is None:
        return None
    if (of_item := line.parent.subscription_item_details) is not None:
        return None if of_item.proration else of_item.subscription_item
    is_of_a_change = line.parent.invoice_item_details is not None and line.parent.invoice_item_details.proration
    return f"{OF_PRICE}{price_id}" if is_of_a_change and price_id is not None else None


def _id(named: str | stripe.Price) -> str:
    return named if isinstance(named, str) else named.id


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
