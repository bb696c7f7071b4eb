"""Where an invoice item goes: whether a next invoice comes, and which one took it up."""

from datetime import timedelta
from typing import Any

import psycopg

from tally.clock import Clock
from tally.stripe.account import StripeAccount

_ENDED = frozenset({"canceled", "incomplete", "incomplete_expired"})
# An item waits for weeks, and Stripe counts reads.
LOOK_EVERY = timedelta(days=1)

_NOT_TAKEN_UP = """
select rest_id, stripe_id from tally.closing_rests
where tenant_id = %(tenant_id)s and account = %(account)s and livemode = %(livemode)s
  and kind = 'invoice_item' and state = 'done' and billed_on is null
  and (billed_checked_at is null or billed_checked_at <= %(now)s - %(look_every)s)
order by done_at
"""


def has_next_invoice(account: StripeAccount, subscription_id: str) -> bool:
    """Whether the subscription will be billed again, so that a pending item does not wait for ever.

    Raises:
        stripe.StripeError: Stripe could not be read.
    """
    if not subscription_id:
        return False
    account.reads.wait()
    subscription = account.client.v1.subscriptions.retrieve(subscription_id, None, account.options())
    return subscription.status not in _ENDED and subscription.ended_at is None


def note_invoices(connection: psycopg.Connection[Any], account: StripeAccount, tenant_id: str, clock: Clock) -> int:
    """Note of each item that waits, once a day, which invoice has taken it up by now; returns how many were.

    Raises:
        stripe.StripeError: Stripe could not be read; what was noted stays.
    """
    parameters = {
        "tenant_id": tenant_id,
        "account": account.account,
        "livemode": account.livemode,
        "now": clock.now(),
        "look_every": LOOK_EVERY,
    }
    taken_up = 0
    for rest_id, item_id in connection.execute(_NOT_TAKEN_UP, parameters).fetchall():
        account.reads.wait()
        invoice = account.client.v1.invoice_items.retrieve(item_id, None, account.options()).invoice
        connection.execute(
            "update tally.closing_rests set billed_on = %s, billed_checked_at = %s where rest_id = %s",
            (invoice if invoice is None or isinstance(invoice, str) else invoice.id, clock.now(), rest_id),
        )
        taken_up += invoice is not None
    return taken_up
