"""Whether Stripe has what a rest asks for: found by the mark in its metadata, before anything is sent."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import stripe

from tally.closing.invoice import REST_MARK
from tally.closing.rest import Rest
from tally.stripe.account import StripeAccount


@dataclass(frozen=True)
class Found:
    """What carries a rest's mark; `amount_minor` is what it adds to what the customer pays, as a rest's."""

    stripe_id: str
    amount_minor: int


def find(account: StripeAccount, rest: Rest) -> Found | None:
    """The invoice item, credit note or credit grant that carries the rest's mark; None where none does.

    Raises:
        stripe.StripeError: Stripe could not be read, which says nothing.
    """
    account.reads.wait()
    for thing in _candidates(account, rest):
        metadata = thing.metadata.to_dict() if thing.metadata else {}
        if metadata.get(REST_MARK) == rest.rest_id:
            return Found(thing.id, _amount(thing))
    return None


def _amount(thing: stripe.InvoiceItem | stripe.CreditNote | stripe.billing.CreditGrant) -> int:
    if isinstance(thing, stripe.InvoiceItem):
        return thing.amount
    if isinstance(thing, stripe.CreditNote):
        return -thing.total
    return -thing.amount.monetary.value if thing.amount.monetary else 0


def _candidates(account: StripeAccount, rest: Rest) -> Iterator[Any]:
    """Newest first, all of the customer's or invoice's: they are few, and a search would lag."""
    api, options = account.client.v1, account.options()
    if rest.kind == "invoice_item":
        yield from api.invoice_items.list(
            {"customer": rest.stripe_customer_id, "limit": 100}, options
        ).auto_paging_iter()
    elif rest.kind == "credit_note":
        yield from api.credit_notes.list({"invoice": rest.invoice_id, "limit": 100}, options).auto_paging_iter()
    else:
        grants = api.billing.credit_grants.list({"customer": rest.stripe_customer_id, "limit": 100}, options)
        yield from grants.auto_paging_iter()
