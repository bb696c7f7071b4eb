"""What a person may do about a draft: hold it, and let it go, settled or not."""

from typing import Any

import psycopg

from tally.adjustments.people import require_person
from tally.clock import Clock
from tally.closing.drafts import drafts
from tally.closing.errors import NoSuchHold
from tally.closing.hold import Hold, decide_hold, decide_release
from tally.closing.holding import advance, again, open_hold
from tally.closing.invoice import read_draft
from tally.closing.watching import decision
from tally.stripe.account import StripeAccount
from tally.stripe.reads import reads_booked


def release(
    connection: psycopg.Connection[Any],
    account: StripeAccount,
    tenant_id: str,
    invoice_id: str,
    by: str,
    reason: str,
    clock: Clock,
    *,
    finalize: bool = False,
) -> Hold:
    """A person lets the draft go, settled or not; `finalize` makes it final at once. It is not held again.

    Raises:
        AdjustmentRefused: `by` is nobody's name.
        NoSuchHold: no hold of ours is open on the invoice.
        stripe.StripeError: Stripe was not told for certain; the next run goes on with it.
    """
    require_person(by)
    hold = open_hold(connection, account, tenant_id, invoice_id)
    decide_release(connection, hold, by, reason, finalize=finalize)
    with reads_booked(connection, account, tenant_id, "closing", clock):
        return _advanced(connection, account, hold, clock)


def hold_by_hand(
    connection: psycopg.Connection[Any],
    account: StripeAccount,
    tenant_id: str,
    invoice_id: str,
    by: str,
    reason: str,
    clock: Clock,
) -> Hold:
    """A person holds a draft; only a person's `release` ends it.

    Raises:
        AdjustmentRefused: `by` is nobody's name.
        NoSuchHold: it is no draft with counters of ours on it, or it is held already, by us or by somebody else.
        stripe.StripeError: Stripe was not told for certain; the next run goes on with it.
    """
    require_person(by)
    with reads_booked(connection, account, tenant_id, "closing", clock):
        _decide(connection, account, tenant_id, invoice_id, by, reason, clock)
        return _advanced(connection, account, open_hold(connection, account, tenant_id, invoice_id), clock)


def _decide(
    connection: psycopg.Connection[Any],
    account: StripeAccount,
    tenant_id: str,
    invoice_id: str,
    by: str,
    reason: str,
    clock: Clock,
) -> None:
    now = clock.now()
    found = [each for each in drafts(connection, tenant_id, account.account, account.livemode, now)
             if each.invoice_id == invoice_id]  # fmt: skip
    draft = read_draft(account, invoice_id) if found else None
    if draft is None or draft.status != "draft":
        raise NoSuchHold(f"{invoice_id} is no draft that bills counters of {tenant_id}: `tally close list`")
    if draft.finalizes_at is None:
        raise NoSuchHold(f"{invoice_id} does not finalize by itself: it is held already")
    decide_hold(
        connection, tenant_id, decision(account, found[0], draft.finalizes_at, by, reason, now), only_first=False
    )


def _advanced(connection: psycopg.Connection[Any], account: StripeAccount, hold: Hold, clock: Clock) -> Hold:
    advance(connection, account, again(connection, hold), clock, is_settled=False)
    return again(connection, hold)
