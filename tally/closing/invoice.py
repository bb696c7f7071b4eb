"""Invoices as closing reads them from Stripe: a draft with when it becomes final, a final one with its usage lines."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import stripe

from tally.closing.rest import Basis
from tally.stripe.account import StripeAccount
from tally.stripe.invoices import OF_PRICE, find_invoice

# The mark of our own holds and rests in Stripe's metadata.
HOLD_MARK = "tally_hold"
REST_MARK = "tally_rest"
# Stripe's grace where an invoice names no time of its own.
_USUAL_GRACE = timedelta(hours=1)


@dataclass(frozen=True)
class Draft:
    """An invoice as it stands. `finalizes_at` is None for one that nobody lets finalize; `hold_id` is our mark on it.

    `revised_as` is the invoice that was made in its place.
    """

    invoice_id: str
    status: str
    auto_advance: bool
    finalizes_at: datetime | None
    hold_id: str | None
    revised_as: str | None


@dataclass(frozen=True)
class BilledLine:
    """A usage line of a final invoice; `amount` and `credited` are in minor units, `unit_amount` with its fraction.

    `item_id` is `price:<price id>` for usage from before a price changed.
    """

    line_id: str
    quantity: Decimal
    amount: int
    credited: int
    unit_amount: Decimal | None
    price_id: str
    item_id: str
    starts_at: datetime


@dataclass(frozen=True)
class FinalInvoice:
    """What a final invoice bills on the lines asked for; `revised_as`: the invoice in a voided one's place."""

    invoice_id: str
    status: str
    currency: str
    stripe_customer_id: str
    subscription_id: str
    lines: tuple[BilledLine, ...]
    revised_as: str | None

    @property
    def basis(self) -> Basis:
        """How it stands, as rests are told apart by it."""
        return "void" if self.status == "void" else "uncollectible" if self.status == "uncollectible" else "billed"


def read_draft(account: StripeAccount, invoice_id: str) -> Draft | None:
    """The invoice as it stands now; None where Stripe has it no more.

    Raises:
        stripe.StripeError: it could not be read.
    """
    invoice = find_invoice(account, invoice_id)
    return None if invoice is None else draft_of(invoice)


def draft_of(invoice: stripe.Invoice) -> Draft:
    """What matters of an invoice that may be held."""
    advances = bool(invoice.auto_advance)
    at = invoice.automatically_finalizes_at
    finalizes_at = _moment(at) if at else _moment(invoice.created) + _USUAL_GRACE if advances else None
    metadata = invoice.metadata.to_dict() if invoice.metadata else {}
    hold_id, revised_as = metadata.get(HOLD_MARK), _id(invoice.latest_revision) or None
    return Draft(invoice.id, invoice.status or "draft", advances, finalizes_at, hold_id, revised_as)


def read_final(account: StripeAccount, invoice_id: str, line_ids: frozenset[str]) -> FinalInvoice:
    """The invoice with these of its lines, in its order, and what credit notes took from each.

    A tier's flat amount may be a line of its own, without a quantity: the lines of the same item and period come along.

    Raises:
        stripe.StripeError: it could not be read.
    """
    account.reads.wait()
    invoice = account.client.v1.invoices.retrieve(invoice_id, None, account.options())
    credited = _credited(account, invoice_id)
    every = list(invoice.lines.auto_paging_iter())
    billed = {_item_and_start(line) for line in every if line.id in line_ids}
    lines = [
        BilledLine(
            line_id=line.id,
            quantity=(line.quantity_decimal or Decimal(0)) if line.id in line_ids else Decimal(0),
            amount=line.amount,
            credited=credited.get(line.id, 0),
            unit_amount=line.pricing.unit_amount_decimal if line.pricing else None,
            price_id=_price_id(line),
            item_id=_item_and_start(line)[0] if _is_of_item(line) else f"{OF_PRICE}{_price_id(line)}",
            starts_at=_moment(line.period.start),
        )
        for line in every
        if _item_and_start(line) in billed
    ]
    return FinalInvoice(
        invoice.id,
        invoice.status or "draft",
        invoice.currency,
        _id(invoice.customer),
        _subscription(invoice),
        tuple(lines),
        _id(invoice.latest_revision) or None,
    )


def _credited(account: StripeAccount, invoice_id: str) -> dict[str, int]:
    account.reads.wait()
    notes = account.client.v1.credit_notes.list({"invoice": invoice_id, "limit": 100}, account.options())
    taken: dict[str, int] = {}
    for note in notes.auto_paging_iter():
        if note.status == "void":
            continue
        for line in note.lines.auto_paging_iter():
            if line.invoice_line_item:
                taken[line.invoice_line_item] = taken.get(line.invoice_line_item, 0) + line.amount
    return taken


def _item_and_start(line: stripe.InvoiceLineItem) -> tuple[str, int]:
    """Which item a usage line bills from when on; a line of its own for anything else."""
    details = line.parent.subscription_item_details if line.parent else None
    return (line.id, 0) if details is None or details.proration else (details.subscription_item, line.period.start)


def _is_of_item(line: stripe.InvoiceLineItem) -> bool:
    details = line.parent.subscription_item_details if line.parent else None
    return details is not None and not details.proration


def _price_id(line: stripe.InvoiceLineItem) -> str:
    details = line.pricing.price_details if line.pricing else None
    return _id(details.price) if details else ""


def _subscription(invoice: stripe.Invoice) -> str:
    details = invoice.parent.subscription_details if invoice.parent else None
    return _id(details.subscription) if details else ""


def _id(thing: object) -> str:
    """An id, or the id of what it was expanded to."""
    return thing if isinstance(thing, str) else str(getattr(thing, "id", "") or "")


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
