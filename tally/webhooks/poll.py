"""Reports that no webhook brought: Stripe lists its events of the last 30 days, and those that are new are received."""

from datetime import datetime
from itertools import islice
from typing import Any

import psycopg

from tally.stripe.account import StripeAccount
from tally.webhooks.error_reports import REPORT_TYPES, in_context

_PAGE = 100
# Newest first. A meter has one report in ten seconds at most, and a paused mapping makes no more of them.
_MOST = 500
_RECEIVE = """
insert into tally.stripe_webhooks (account, livemode, event_id, payload, type, object_id, created_at)
values (%(account)s, %(livemode)s, %(event_id)s, 'thin', %(type)s, %(object_id)s, %(created_at)s)
on conflict do nothing
"""


def poll_reports(connection: psycopg.Connection[Any], account: StripeAccount) -> int:
    """Receive the account's reports of dropped meter events that are not here yet; returns how many there were.

    Subscriptions and invoices have polls of their own, which read the objects themselves.

    Raises:
        stripe.StripeError: Stripe does not list its events.
    """
    account.reads.wait()
    page = account.client.v2.core.events.list({"types": sorted(REPORT_TYPES), "limit": _PAGE}, in_context(account))
    new = 0
    for event in islice(page.auto_paging_iter(), _MOST):
        related = getattr(event, "related_object", None)
        row = {
            "account": account.account,
            "livemode": event.livemode,
            "event_id": event.id,
            "type": event.type,
            "object_id": related.id if related is not None else None,
            "created_at": datetime.fromisoformat(event.created),
        }
        new += connection.execute(_RECEIVE, row).rowcount
    return new
