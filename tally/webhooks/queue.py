"""Received webhooks on their way: claimed, handled, ended. Each step commits before the next begins.

A handler that dies leaves its webhook `received`; when its lease has run out, another one handles it again.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import psycopg
from psycopg.rows import class_row

from tally.stripe.account import StripeAccount

EndState = Literal["handled", "failed", "ignored"]

LEASE = timedelta(minutes=2)
MOST_ATTEMPTS = 8
_FIRST_BACKOFF = timedelta(seconds=5)
_LONGEST_BACKOFF = timedelta(minutes=10)
_UNCOUNTED_PAUSE = timedelta(minutes=1)

_CLAIM = """
update tally.stripe_webhooks as webhook
set attempts = webhook.attempts + 1, lease_until = clock_timestamp() + %(lease)s
from (
    select account, livemode, event_id
    from tally.stripe_webhooks
    where account = %(account)s and livemode = %(livemode)s and state = 'received'
      and (lease_until is null or lease_until <= clock_timestamp())
    order by received_at, event_id
    limit 1
    for update skip locked
) as next
where webhook.account = next.account and webhook.livemode = next.livemode and webhook.event_id = next.event_id
returning webhook.event_id, webhook.type, webhook.object_id, webhook.created_at, webhook.attempts
"""
_END = """
update tally.stripe_webhooks
set state = %(state)s, outcome = %(outcome)s, lease_until = null, ended_at = %(now)s
where account = %(account)s and livemode = %(livemode)s and event_id = %(event_id)s and state = 'received'
"""
_PUT_BACK = """
update tally.stripe_webhooks
set attempts = attempts - %(uncounted)s, outcome = %(outcome)s, lease_until = clock_timestamp() + %(pause)s
where account = %(account)s and livemode = %(livemode)s and event_id = %(event_id)s and state = 'received'
"""
_POSTPONE = """
update tally.stripe_webhooks
set outcome = %(outcome)s, lease_until = clock_timestamp() + %(pause)s
where account = %(account)s and (%(livemode)s::boolean is null or livemode = %(livemode)s) and state = 'received'
  and (lease_until is null or lease_until <= clock_timestamp())
"""
_WAITING = """
select count(*) from tally.stripe_webhooks
where account = %(account)s and livemode = %(livemode)s and state = 'received'
"""


@dataclass(frozen=True)
class ClaimedWebhook:
    """A webhook that this handler has for the length of a lease."""

    event_id: str
    type: str
    object_id: str | None
    created_at: datetime
    attempts: int


def claim(connection: psycopg.Connection[Any], account: StripeAccount) -> ClaimedWebhook | None:
    """The oldest webhook of the account that nobody handles; None when there is none. Committed on return."""
    parameters = {"account": account.account, "livemode": account.livemode, "lease": LEASE}
    with connection.cursor(row_factory=class_row(ClaimedWebhook)) as cursor:
        return cursor.execute(_CLAIM, parameters).fetchone()


def end(
    connection: psycopg.Connection[Any],
    account: StripeAccount,
    webhook: ClaimedWebhook,
    state: EndState,
    outcome: str,
    now: datetime,
) -> None:
    """It needs no handler any more."""
    about = {"account": account.account, "livemode": account.livemode, "event_id": webhook.event_id}
    connection.execute(_END, {**about, "state": state, "outcome": outcome, "now": now})


def put_back(
    connection: psycopg.Connection[Any],
    account: StripeAccount,
    webhook: ClaimedWebhook,
    outcome: str,
    *,
    is_counted: bool,
) -> None:
    """To be handled again, after a pause that grows with its attempts; one that is not counted waits a minute."""
    about = {"account": account.account, "livemode": account.livemode, "event_id": webhook.event_id}
    pause = min(_FIRST_BACKOFF * 2 ** (webhook.attempts - 1), _LONGEST_BACKOFF) if is_counted else _UNCOUNTED_PAUSE
    connection.execute(_PUT_BACK, {**about, "outcome": outcome, "pause": pause, "uncounted": 0 if is_counted else 1})


def postpone(connection: psycopg.Connection[Any], account: str, livemode: bool | None, why: str) -> None:
    """Nothing of the account, in one mode or in any, can be handled now: leave all of it alone for ten minutes."""
    about = {"account": account, "livemode": livemode, "outcome": why, "pause": _LONGEST_BACKOFF}
    connection.execute(_POSTPONE, about)


def waiting(connection: psycopg.Connection[Any], account: StripeAccount) -> int:
    """How many of the account are received and not handled yet."""
    row = connection.execute(_WAITING, {"account": account.account, "livemode": account.livemode}).fetchone()
    return row[0] if row is not None else 0
