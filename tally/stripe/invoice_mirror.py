"""One invoice, read anew, beside the counters that it bills: what a webhook asks for, without reading everything."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import psycopg
import stripe

from tally.clock import Clock
from tally.stripe.account import StripeAccount
from tally.stripe.invoices import UsageLine, billed, find_invoice, read_invoice_lines, usage_lines
from tally.stripe.totals_keys import TotalsKey, totals_keys
from tally.stripe.totals_rows import Reading, store_readings

_NOT_READ = "not asked for"


@dataclass(frozen=True)
class ReadInvoice:
    """An invoice as Stripe has it now; `lines` are its usage lines, `subscription_id` None where no usage is on it."""

    invoice_id: str
    status: str
    subscription_id: str | None
    lines: tuple[UsageLine, ...]


def read_invoice(account: StripeAccount, invoice_id: str) -> ReadInvoice | None:
    """The invoice; None where Stripe has it no more (a draft may be deleted).

    Raises:
        stripe.StripeError: it could not be read.
    """
    invoice = find_invoice(account, invoice_id)
    if invoice is None:
        return None
    status = invoice.status or "draft"
    details = invoice.parent.subscription_details if invoice.parent else None
    subscription = details.subscription if details else None
    subscription_id = subscription.id if isinstance(subscription, stripe.Subscription) else subscription
    return ReadInvoice(invoice.id, status, subscription_id, tuple(usage_lines(invoice, status)))


def mirror_invoice(
    connection: psycopg.Connection[Any],
    account: StripeAccount,
    tenant_id: str,
    clock: Clock,
    invoice: ReadInvoice,
) -> list[TotalsKey]:
    """Store what Stripe bills now for the counters that `invoice` has lines of; returns these counters.

    The lines of all invoices of the subscription are read, since a void one counts only where there is no other, and a
    counter may be billed by two subscriptions. Summaries and previews are left alone: they cost reads.

    Raises:
        stripe.StripeError: a read failed; nothing was changed.
    """
    if invoice.subscription_id is None or not invoice.lines:
        return []
    now = clock.now()
    look_back = now - min(line.starts_at for line in invoice.lines) + timedelta(days=1)
    of_subscription = totals_keys(
        connection, account, tenant_id, now, look_back=look_back, subscription_id=invoice.subscription_id
    )
    own = list(invoice.lines)
    keys = [key for key in of_subscription if billed(own, frozenset(key.item_ids), key.period) is not None]
    if not keys:
        return []
    since = min(key.period_start for key in keys)
    subscriptions = sorted({each for key in keys for each in key.subscription_ids})
    lines = [line for each in subscriptions for line in read_invoice_lines(account, each, since)]
    found = [(key, billed(lines, frozenset(key.item_ids), key.period)) for key in keys]
    readings = [Reading(key, _NOT_READ, each) for key, each in found if each is not None]
    store_readings(connection, account, tenant_id, readings, now)
    return [reading.key for reading in readings]
