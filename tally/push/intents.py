"""Intents on their way: claimed, sent, recorded. Each step commits before the next begins."""

from collections.abc import Sequence
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
from tally.stripe.account import StripeAccount

# Stripe keeps identifiers for "at least 24 hours"; four of them are left for whatever holds a request up.
RESEND_FOR = timedelta(hours=20)
# Beyond the call's own time-out: a pusher that takes longer is taken for dead, and another one sends the intent again.
LEASE_MARGIN = timedelta(seconds=5)

_FIRST_BACKOFF = timedelta(seconds=0.5)
_LONGEST_BACKOFF = timedelta(seconds=60)


@dataclass(frozen=True)
class Claim:
    """An intent that this pusher alone may send until its lease runs out; `value` is what Stripe is sent."""

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
    connection: psycopg.Connection[Any],
    parameters: dict[str, Any],
    lease: timedelta,
    turns: int,
    *,
    by_stream: bool = False,
) -> list[Claim]:
    """The next intents to send, at most `turns`; `by_stream`: only such as were never claimed before,
    and nobody claims them again.

    `connection` is in autocommit: they are claimed when this returns.
    """
    asked = parameters | {"lease": lease, "turns": turns, "by_stream": by_stream}
    # Bound by the client: only so can two statements go in one round trip.
    with psycopg.ClientCursor(connection, row_factory=class_row(Claim)) as cursor:
        cursor.execute(statement("claim.sql"), asked)
        cursor.nextset()
        return cursor.fetchall()


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


def record(
    connection: psycopg.Connection[Any], outcomes: Sequence[tuple[Claim, Answer]], now: datetime
) -> dict[UUID, str]:
    """Write outcomes in one commit; returns each intent's new state, without those that another pusher has settled."""
    if not outcomes:
        return {}
    rows = connection.execute(
        statement("record.sql"),
        {
            "now": now,
            "intent_ids": [claimed.intent_id for claimed, _ in outcomes],
            "attempts": [claimed.attempt for claimed, _ in outcomes],
            "kinds": [answer.kind for _, answer in outcomes],
            "http_statuses": [answer.http_status for _, answer in outcomes],
            "request_ids": [answer.request_id for _, answer in outcomes],
            "errors": [answer.error for _, answer in outcomes],
            "retry_afters": [_retry_after(claimed, answer) for claimed, answer in outcomes],
        },
    ).fetchall()
    return dict(rows)


def _retry_after(claimed: Claim, answer: Answer) -> timedelta:
    if answer.pause_seconds is not None:
        return timedelta(seconds=answer.pause_seconds)
    return _backoff(claimed.attempt)


def _backoff(attempt: int) -> timedelta:
    return min(_FIRST_BACKOFF * (1 << min(attempt - 1, 10)), _LONGEST_BACKOFF)
