"""A hold on its way: decided in a row first, then told to Stripe, then noted.

Killed anywhere, the next step finds the row and, by our mark in the invoice's metadata, how far it came. What carries
no mark of ours is never touched.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import psycopg
import stripe

from tally.clock import Clock
from tally.closing.errors import NoSuchHold
from tally.closing.hold import Hold, HoldState, decide_release, holds, note
from tally.closing.invoice import HOLD_MARK, Draft, draft_of, read_draft
from tally.stripe.account import StripeAccount

# Who holds and lets go where nobody does.
LEDGER = "tally"
SETTLED = "everything is settled"


def advance(
    connection: psycopg.Connection[Any], account: StripeAccount, hold: Hold, clock: Clock, *, is_settled: bool
) -> None:
    """Bring an open hold one step on, by what Stripe shows of its invoice.

    Raises:
        stripe.StripeError: Stripe was not told for certain; the next step begins by looking.
    """
    draft = read_draft(account, hold.invoice_id)
    now = clock.now()
    if draft is None or draft.status != "draft":
        note(connection, hold, "missed" if hold.state == "holding" else "released", now, error="it is final or deleted")
    elif hold.state == "holding" and not draft.auto_advance:
        is_ours = draft.hold_id == hold.hold_id
        note(connection, hold, "held" if is_ours else "missed", now, error=None if is_ours else "held by somebody else")
    elif hold.state == "holding":
        _tell(connection, account, hold, now, "held", lambda: _set(account, hold, advances=False, mark=hold.hold_id))
    elif draft.hold_id != hold.hold_id or draft.auto_advance:
        note(connection, hold, "released", now, error=None if hold.state == "releasing" else "let go at Stripe")
    elif hold.state == "releasing" and hold.finalize:
        _tell(connection, account, hold, now, "released", lambda: _finalize(account, hold))
    elif hold.state == "releasing":
        _tell(connection, account, hold, now, "released", lambda: _set(account, hold, advances=True, mark=""))
    elif is_settled and hold.held_by == LEDGER and decide_release(connection, hold, LEDGER, SETTLED):
        advance(connection, account, again(connection, hold), clock, is_settled=True)


def again(connection: psycopg.Connection[Any], hold: Hold) -> Hold:
    """The hold as it is stored now."""
    row = connection.execute("select tenant_id from tally.invoice_holds where hold_id = %s", (hold.hold_id,)).fetchone()
    assert row is not None
    return next(each for each in holds(connection, row[0], invoice_id=hold.invoice_id) if each.hold_id == hold.hold_id)


def open_holds(connection: psycopg.Connection[Any], account: StripeAccount, tenant_id: str) -> dict[str, Hold]:
    """The holds of ours that are not over, by invoice."""
    found = holds(connection, tenant_id, is_open=True)
    return {
        hold.invoice_id: hold for hold in found if (hold.account, hold.livemode) == (account.account, account.livemode)
    }


def open_hold(connection: psycopg.Connection[Any], account: StripeAccount, tenant_id: str, invoice_id: str) -> Hold:
    """The open hold of an invoice.

    Raises:
        NoSuchHold: none of ours is open.
    """
    found = open_holds(connection, account, tenant_id).get(invoice_id)
    if found is None:
        raise NoSuchHold(
            f"no hold of ours is open on {invoice_id}: `tally close list`; one set at Stripe is let go there"
        )
    return found


def _tell(
    connection: psycopg.Connection[Any],
    account: StripeAccount,
    hold: Hold,
    now: datetime,
    then: HoldState,
    call: Callable[[], Draft],
) -> None:
    """Call Stripe and note that it took; a refusal because the draft is final by now is noted at the next look."""
    account.reads.wait()
    try:
        call()
    except stripe.StripeError as error:
        note(connection, hold, hold.state, now, error=str(error.user_message or error))
        raise
    note(connection, hold, then, now)


def _set(account: StripeAccount, hold: Hold, *, advances: bool, mark: str) -> Draft:
    return draft_of(
        account.client.v1.invoices.update(
            hold.invoice_id, {"auto_advance": advances, "metadata": {HOLD_MARK: mark}}, account.options()
        )
    )


def _finalize(account: StripeAccount, hold: Hold) -> Draft:
    return draft_of(account.client.v1.invoices.finalize_invoice(hold.invoice_id, None, account.options()))
