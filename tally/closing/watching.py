"""Drafts near finalization: held when something on them is not settled, and let go when everything is."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

import psycopg
import stripe

from tally.clock import Clock
from tally.closing.drafts import BilledDraft, Grace, drafts
from tally.closing.hold import OPEN, Hold, decide_hold
from tally.closing.holding import LEDGER, advance, again, open_hold, open_holds
from tally.closing.invoice import Draft, read_draft
from tally.stripe.account import StripeAccount

Verdict = Literal["settled", "in_time", "late", "hold", "held", "held_by_others", "held_before", "final", "unread"]
VERDICTS: dict[Verdict, str] = {
    "settled": "everything on it is settled",
    "in_time": "not settled yet; there is time",
    "late": "half the grace is over, and something is not settled",
    "hold": "finalization is near, and something is not settled: to be held",
    "held": "held by us",
    "held_by_others": "held by somebody else: left alone",
    "held_before": "not settled, and held and released before: not held again",
    "final": "final by now",
    "unread": "Stripe could not be read",
}


@dataclass(frozen=True)
class DraftState:
    """A draft after a look at it; `finalizes_at` is None where it was not asked for, or nobody lets it finalize."""

    invoice_id: str
    customer_ref: str
    period_end: datetime
    finalizes_at: datetime | None
    unsettled: tuple[str, ...]
    verdict: Verdict

    @property
    def needs_a_person(self) -> bool:
        """Whether somebody should look before it becomes final."""
        return self.verdict in ("late", "held", "held_before") and bool(self.unsettled)


def watch_drafts(
    connection: psycopg.Connection[Any],
    account: StripeAccount,
    tenant_id: str,
    clock: Clock,
    *,
    dry_run: bool = False,
) -> list[DraftState]:
    """Hold what is near finalization and not settled, release what we hold and is; returns every draft as it stands.

    A draft of which everything is settled costs no call.
    """
    ours = open_holds(connection, account, tenant_id)
    billed = drafts(connection, tenant_id, account.account, account.livemode, clock.now())
    states = [
        _look(connection, account, tenant_id, clock, each, ours.pop(each.invoice_id, None), dry_run=dry_run)
        for each in billed
    ]
    # Held ones that are no draft of the mirror any more: final by somebody's hand, or deleted.
    for hold in ours.values() if not dry_run else ():
        with suppress(stripe.StripeError):  # noted in the hold; the next look goes on
            advance(connection, account, hold, clock, is_settled=False)
    return states


def _look(
    connection: psycopg.Connection[Any],
    account: StripeAccount,
    tenant_id: str,
    clock: Clock,
    billed: BilledDraft,
    hold: Hold | None,
    *,
    dry_run: bool,
) -> DraftState:
    def state(verdict: Verdict, finalizes_at: datetime | None = None) -> DraftState:
        unsettled = tuple(billed.unsettled)
        return DraftState(billed.invoice_id, billed.customer_ref, billed.period_end, finalizes_at, unsettled, verdict)

    try:
        if hold is not None:
            if not dry_run:
                advance(connection, account, hold, clock, is_settled=not billed.unsettled)
                hold = again(connection, hold)
            over: Verdict = "held_before" if billed.unsettled else "settled"
            return state("held" if hold.state in OPEN else over, hold.finalizes_at)
        if not billed.unsettled:
            return state("settled")
        draft = read_draft(account, billed.invoice_id)
    except stripe.StripeError:
        return state("unread")
    if draft is None or draft.status != "draft":
        return state("final")
    verdict = judge(draft, billed, clock.now(), _share(connection, tenant_id))
    if verdict != "hold" or dry_run:
        return state(verdict, draft.finalizes_at)
    assert draft.finalizes_at is not None
    decided_on = decision(account, billed, draft.finalizes_at, LEDGER, "; ".join(billed.unsettled), clock.now())
    if not decide_hold(connection, tenant_id, decided_on, only_first=True):
        return state("held_before", draft.finalizes_at)
    try:
        decided = open_hold(connection, account, tenant_id, billed.invoice_id)
        advance(connection, account, decided, clock, is_settled=False)
    except stripe.StripeError:
        return state("unread", draft.finalizes_at)
    return state("held", draft.finalizes_at)


def judge(draft: Draft, billed: BilledDraft, now: datetime, share: Decimal) -> Verdict:
    """What an unsettled draft without a hold of ours needs at this moment."""
    if draft.finalizes_at is None:
        return "held_by_others"
    grace = Grace(billed.period_end, draft.finalizes_at)
    if now >= grace.hold_from(share):
        return "hold"
    return "late" if now >= grace.settled_by else "in_time"


def decision(
    account: StripeAccount, billed: BilledDraft, finalizes_at: datetime, by: str, reason: str, now: datetime
) -> dict[str, Any]:
    """What `decide_hold` writes."""
    return {
        "account": account.account,
        "livemode": account.livemode,
        "invoice_id": billed.invoice_id,
        "customer_ref": billed.customer_ref,
        "period_end": billed.period_end,
        "finalizes_at": finalizes_at,
        "held_by": by,
        "reason": reason,
        "now": now,
    }


def _share(connection: psycopg.Connection[Any], tenant_id: str) -> Decimal:
    row = connection.execute("select hold_share from tally.tenants where tenant_id = %s", (tenant_id,)).fetchone()
    assert row is not None
    share: Decimal = row[0]
    return share
