"""What of a customer is not over yet: what moves at this moment is never erased, what is open only when forced."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from tally.retention.settled import judged_counters

_IN_FLIGHT = """
select 'push intents on their way: ' || state || ', see `tally status`', count(*)
from tally.push_intents
where tenant_id = %(tenant_id)s and customer_ref = %(customer_ref)s
    and state in ('planned', 'sending', 'unknown', 'resolving', 'disputed')
group by state
union all
select 'rests of a closed period on their way: ' || state || ', see `tally close`', count(*)
from tally.closing_rests
where tenant_id = %(tenant_id)s and customer_ref = %(customer_ref)s and state in ('approved', 'sending')
group by state
union all
select 'drafts held: ' || state || ', see `tally close`', count(*)
from tally.invoice_holds
where tenant_id = %(tenant_id)s and customer_ref = %(customer_ref)s and state in ('holding', 'held', 'releasing')
group by state
order by 1
"""
_OPEN = """
select 'counters, ' || reason, count(*)
from unsettled_counters
where tenant_id = %(tenant_id)s and customer_ref = %(customer_ref)s
group by reason
union all
select 'subscriptions at Stripe that go on', count(distinct subscription_id)
from tally.stripe_subscription_items
where tenant_id = %(tenant_id)s and customer_ref = %(customer_ref)s and (ended_at is null or ended_at > %(now)s)
having count(distinct subscription_id) > 0
order by 1
"""


@dataclass(frozen=True)
class Standing:
    """Why an erasure must wait: each reason, and how many. `open_` gives way to --force, `in_flight` does not."""

    in_flight: dict[str, int]
    open_: dict[str, int]


def standing(connection: psycopg.Connection[Any], tenant_id: str, customer_ref: str, now: datetime) -> Standing:
    """What is open and what is under way. `connection` is in autocommit.

    Raises:
        RetentionRefused: the ledger was never built, or is another cluster's.
    """
    asked = {"tenant_id": tenant_id, "customer_ref": customer_ref, "now": now}
    with judged_counters(connection, now):
        open_ = dict(connection.execute(_OPEN, asked).fetchall())
    return Standing(in_flight(connection, tenant_id, customer_ref), open_)


def in_flight(connection: psycopg.Connection[Any], tenant_id: str, customer_ref: str) -> dict[str, int]:
    """What may be waiting for an answer of Stripe's right now."""
    asked = {"tenant_id": tenant_id, "customer_ref": customer_ref}
    return dict(connection.execute(_IN_FLIGHT, asked).fetchall())
