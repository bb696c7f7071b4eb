"""What the subscription says: whether a next invoice comes, which one took an item up, and what was a trial."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from tally.clock import Clock
from tally.periods import Period
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


@dataclass(frozen=True)
class SubscriptionNow:
    """Whether the subscription will be billed again, so that a pending item does not wait for ever; its last trial."""

    is_billed_again: bool
    trial: Period | None


def read_subscription(account: StripeAccount, subscription_id: str) -> SubscriptionNow:
    """The subscription as it stands now; none is one that is over.

    Raises:
        stripe.StripeError: Stripe could not be read.
    """
    if not subscription_id:
        return SubscriptionNow(False, None)
    account.reads.wait()
    found = account.client.v1.subscriptions.retrieve(subscription_id, None, account.options())
    trial = None
    if found.trial_start is not None and found.trial_end is not None and found.trial_start < found.trial_end:
        trial = Period(datetime.fromtimestamp(found.trial_start, UTC), datetime.fromtimestamp(found.trial_end, UTC))
    return SubscriptionNow(found.status not in _ENDED and found.ended_at is None, trial)


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
