"""Approved rests go to Stripe, each once: committed before the call, and looked for before it is made."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

import psycopg
import stripe
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from tally.clock import Clock
from tally.closing.errors import ClosingRefused
from tally.closing.evidence import Found, find
from tally.closing.payloads import payload_of
from tally.closing.rest import Rest, read
from tally.closing.statements import statement
from tally.push.answers import not_taken
from tally.stripe.account import CONNECT_TIMEOUT_SECONDS, StripeAccount

Outcome = Literal["done", "found", "refused", "unknown", "stopped"]

# Stripe keeps Idempotency-Keys for "at least 24 hours"; four of them are left for whatever holds a request up.
KEY_FOR = timedelta(hours=20)
# An attempt reads what it needs, calls, and may look once more.
_CALLS = 5
_MARGIN = timedelta(seconds=5)
_FIRST_PAUSE = timedelta(seconds=1)
_LONGEST_PAUSE = timedelta(seconds=60)


@dataclass(frozen=True)
class Claim:
    """A rest that this sender alone may send until its lease runs out. `payload` is None before the first attempt."""

    rest_id: str
    attempt: int
    payload: dict[str, Any] | None
    key_used_from: datetime
    idempotency_key: str


@dataclass(frozen=True)
class Answered:
    """An attempt's outcome: done (created now), found (was there), refused, unknown, or stopped (the key may not)."""

    outcome: Outcome
    stripe_id: str | None = None
    http_status: int | None = None
    request_id: str | None = None
    error: str | None = None


@dataclass
class SendResult:
    """`outcomes` counts attempts; `refusals` are sentences for a person; `stopped` says why the account was stopped."""

    outcomes: dict[str, int] = field(default_factory=dict)
    refusals: list[str] = field(default_factory=list)
    stopped: str | None = None


def send_approved(
    connection: psycopg.Connection[Any],
    account: StripeAccount,
    tenant_id: str,
    clock: Clock,
    *,
    lease: timedelta | None = None,
) -> SendResult:
    """Send what is approved, and go on with what an earlier sender left; each rest is tried once.

    `connection` is in autocommit: a claim is durable when it is made. What stays unknown is for the next call.
    """
    call = timedelta(seconds=CONNECT_TIMEOUT_SECONDS + account.timeout_seconds)
    lease = _CALLS * call + _MARGIN if lease is None else lease
    result = SendResult()
    tried: set[str] = set()
    while result.stopped is None:
        claim = _claim(connection, account, tenant_id, clock.now(), lease)
        if claim is None or claim.rest_id in tried:
            break
        tried.add(claim.rest_id)
        rest = read(connection, tenant_id, claim.rest_id)
        answered = _attempt(connection, account, rest, claim, clock, lease)
        if answered is None:
            continue
        _record(connection, claim, answered, clock.now())
        result.outcomes[answered.outcome] = result.outcomes.get(answered.outcome, 0) + 1
        if answered.outcome == "refused":
            result.refusals.append(f"{rest.customer_ref} {rest.metric} ({rest.rest_id}): {answered.error}")
        if answered.outcome == "stopped":
            result.stopped = answered.error
    return result


def _claim(
    connection: psycopg.Connection[Any], account: StripeAccount, tenant_id: str, now: datetime, lease: timedelta
) -> Claim | None:
    parameters = {
        "tenant_id": tenant_id,
        "account": account.account,
        "livemode": account.livemode,
        "now": now,
        "key_from": now - KEY_FOR,
        "lease": lease,
    }
    with connection.cursor(row_factory=class_row(Claim)) as cursor:
        return cursor.execute(statement("claim_rest.sql"), parameters).fetchone()


def _attempt(
    connection: psycopg.Connection[Any],
    account: StripeAccount,
    rest: Rest,
    claim: Claim,
    clock: Clock,
    lease: timedelta,
) -> Answered | None:
    """One attempt; None where this process stood still for so long that its key protects it no more."""
    try:
        # Also before the first attempt: a database that was restored has forgotten what it sent.
        if (found := find(account, rest)) is not None:
            return _there(rest, found)
        payload = claim.payload or _fixed(connection, claim, payload_of(account, rest))
    except ClosingRefused as refusal:
        return Answered("refused", error=str(refusal))
    except stripe.StripeError as error:
        return _failed(error, may_be_there=True)
    account.reads.wait()
    if clock.now() - claim.key_used_from >= KEY_FOR + lease:
        return None
    try:
        return Answered("done", *_create(account, rest, payload, claim.idempotency_key))
    except stripe.StripeError as error:
        answered = _failed(error, may_be_there=False)
    if answered.outcome == "refused" and claim.attempt > 1:
        # An attempt before this one, of which nobody knows, may have arrived since the look.
        return _looked_again(account, rest, answered)
    return answered


def _looked_again(account: StripeAccount, rest: Rest, refused: Answered) -> Answered:
    try:
        found = find(account, rest)
    except stripe.StripeError as error:
        return _failed(error, may_be_there=True)
    return refused if found is None else _there(rest, found)


def _there(rest: Rest, found: Found) -> Answered:
    """Stripe has it already; for another amount only after a restore, when the counter was another one."""
    if found.amount_minor == rest.amount_minor:
        return Answered("found", found.stripe_id)
    amounts = f"{found.amount_minor}, not {rest.amount_minor}"
    return Answered("refused", error=f"{found.stripe_id} carries this rest's mark with an amount of {amounts}")


def _fixed(connection: psycopg.Connection[Any], claim: Claim, payload: Mapping[str, Any]) -> Mapping[str, Any]:
    """The payload, committed before it leaves; another sender's if that one was faster."""
    row = connection.execute(
        "update tally.closing_rests set payload = coalesce(payload, %s) where rest_id = %s returning payload",
        (Jsonb(payload), claim.rest_id),
    ).fetchone()
    assert row is not None
    fixed: Mapping[str, Any] = row[0]
    return fixed


def _create(account: StripeAccount, rest: Rest, payload: Any, idempotency_key: str) -> tuple[str, int, str | None]:
    """The id of what was made, the status, and Stripe's request id. One request: each has its row."""
    api, options = account.client.v1, account.options(idempotency_key=idempotency_key)
    made: stripe.InvoiceItem | stripe.CreditNote | stripe.billing.CreditGrant
    if rest.kind == "invoice_item":
        made = api.invoice_items.create(payload, options)
    elif rest.kind == "credit_note":
        made = api.credit_notes.create(payload, options)
    else:
        made = api.billing.credit_grants.create(payload, options)
    response = made.last_response
    return made.id, 200, response.request_id if response is not None else None


def _failed(error: stripe.StripeError, *, may_be_there: bool) -> Answered:
    """What anything but a 200 means; a 4xx of a look says nothing about what was to be made."""
    answer = not_taken(error)
    outcome: Outcome = "unknown"
    if answer.kind == "stopped":
        outcome = "stopped"
    elif answer.kind in ("refused", "duplicate") and not may_be_there:
        outcome = "refused"
    return Answered(outcome, None, answer.http_status, answer.request_id, answer.error)


def _record(connection: psycopg.Connection[Any], claim: Claim, answered: Answered, now: datetime) -> None:
    pause = min(_FIRST_PAUSE * (1 << min(claim.attempt - 1, 10)), _LONGEST_PAUSE)
    connection.execute(
        statement("record_rest.sql"),
        {"rest_id": claim.rest_id, "attempt": claim.attempt, **vars(answered), "now": now, "pause": pause},
    )
