"""One intent on its way: claimed, sent, recorded. Each step commits before the next begins."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import stripe
from psycopg.rows import class_row

from tally.push.answers import Answer, not_taken, taken
from tally.push.identifiers import as_text
from tally.push.statements import statement
from tally.stripe_account import StripeAccount

# Stripe keeps identifiers for "at least 24 hours"; four of them are left for whatever holds a request up.
RESEND_FOR = timedelta(hours=20)
# Beyond the call's own time-out: a pusher that takes longer is taken for dead, and another one sends the intent again.
LEASE_MARGIN = timedelta(seconds=5)

_FIRST_BACKOFF = timedelta(seconds=0.5)
_LONGEST_BACKOFF = timedelta(seconds=60)


@dataclass(frozen=True)
class Claim:
    """An intent that this pusher alone may send until its lease runs out."""

    intent_id: UUID
    attempt: int
    customer_ref: str
    metric: str
    value: Decimal
    event_name: str
    stripe_customer_id: str
    event_ts: datetime
    identifier: str
    first_attempt_at: datetime
    idempotency_key: str


def claim(
    connection: psycopg.Connection[Any], account: StripeAccount, tenant_id: str, now: datetime, lease: timedelta
) -> Claim | None:
    """The next intent to send, or None. `connection` is in autocommit: the claim is durable when this returns."""
    parameters = {
        "tenant_id": tenant_id,
        "account": account.account,
        "livemode": account.livemode,
        "now": now,
        "resend_from": now - RESEND_FOR,
        "lease": lease,
    }
    with connection.cursor(row_factory=class_row(Claim)) as cursor:
        return cursor.execute(statement("claim.sql"), parameters).fetchone()


def send(account: StripeAccount, claimed: Claim) -> Answer:
    """Send the intent, once. Every outcome is an Answer."""
    try:
        event = account.client.v1.billing.meter_events.create(
            {
                "event_name": claimed.event_name,
                "identifier": claimed.identifier,
                "timestamp": int(claimed.event_ts.timestamp()),
                "payload": {"stripe_customer_id": claimed.stripe_customer_id, "value": as_text(claimed.value)},
            },
            account.options(idempotency_key=claimed.idempotency_key),
        )
    except stripe.StripeError as error:
        return not_taken(error)
    return taken(event, claimed.identifier)


def record(connection: psycopg.Connection[Any], claimed: Claim, answer: Answer, now: datetime) -> str | None:
    """Write the outcome; returns the intent's new state, or None when another pusher has settled it meanwhile."""
    pause = timedelta(seconds=answer.pause_seconds) if answer.pause_seconds is not None else _backoff(claimed.attempt)
    parameters = {
        "intent_id": claimed.intent_id,
        "attempt": claimed.attempt,
        "kind": answer.kind,
        "http_status": answer.http_status,
        "request_id": answer.request_id,
        "error": answer.error,
        "now": now,
        "retry_after": pause,
    }
    row = connection.execute(statement("record.sql"), parameters).fetchone()
    return row[0] if row is not None else None


def _backoff(attempt: int) -> timedelta:
    return min(_FIRST_BACKOFF * (1 << min(attempt - 1, 10)), _LONGEST_BACKOFF)
