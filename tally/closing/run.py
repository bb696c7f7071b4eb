"""Closing what has ended: the last push, Stripe's side read anew, drafts held or let go, rests worked out and sent."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import psycopg
import stripe

from tally.clock import Clock
from tally.closing.moved import Waiting
from tally.closing.next_invoice import note_invoices
from tally.closing.proposing import propose
from tally.closing.rest import WAITING, Rest, list_rests
from tally.closing.sending import SendResult, send_approved
from tally.closing.statements import statement
from tally.closing.watching import DraftState, watch_drafts
from tally.closing.writing import Proposal
from tally.push import DeliveryResult, push
from tally.settings import Settings
from tally.stripe.account import StripeAccount
from tally.stripe.reads import reads_booked
from tally.stripe.totals import Unread, read_totals

# Stripe takes events for 35 days; a draft older than that is somebody's to look at.
LOOK_BACK = timedelta(days=35)


@dataclass(frozen=True)
class CloseResult:
    """What a run did, or in a dry run would do; the rows it worked on, and what waits with the reason.

    `pushed` is None in a dry run; `unread` are numbers of Stripe that could not be read this time.
    """

    account: str
    mode: str
    dry_run: bool
    drafts: tuple[DraftState, ...]
    proposals: tuple[Proposal, ...]
    waiting: tuple[Waiting, ...]
    decide: tuple[Rest, ...]
    pushed: DeliveryResult | None = None
    unread: tuple[Unread, ...] = ()
    sent: SendResult = field(default_factory=SendResult)

    @property
    def needs_a_person(self) -> bool:
        """Whether something waits that no further run will mend."""
        return bool(
            self.decide
            or self.sent.stopped
            or any(draft.needs_a_person for draft in self.drafts)
            or any(each.needs_a_person for each in self.waiting)
        )


def close_periods(
    settings: Settings,
    connection: psycopg.Connection[Any],
    account: StripeAccount,
    tenant_id: str,
    clock: Clock,
    *,
    dry_run: bool = False,
) -> CloseResult:
    """Everything that closing needs now, in the order in which one step leads to the next.

    Idempotent, any number may run at once, and killed anywhere the next run goes on. A dry run reads what was stored
    last and asks Stripe about drafts and invoices, and changes nothing anywhere but the number of reads.
    """
    with reads_booked(connection, account, tenant_id, "closing", clock):
        return _closed(settings, connection, account, tenant_id, clock, dry_run=dry_run)


def _closed(
    settings: Settings,
    connection: psycopg.Connection[Any],
    account: StripeAccount,
    tenant_id: str,
    clock: Clock,
    *,
    dry_run: bool,
) -> CloseResult:
    pushed: DeliveryResult | None = None
    unread: tuple[Unread, ...] = ()
    if not dry_run:
        _, pushed = push(settings, account, tenant_id, clock)
        unread = _read_ending(connection, account, tenant_id, clock)
    drafts = watch_drafts(connection, account, tenant_id, clock, dry_run=dry_run)
    proposals, waiting = propose(connection, account, tenant_id, clock, dry_run=dry_run)
    sent = SendResult() if dry_run else send_approved(connection, account, tenant_id, clock)
    if not dry_run:
        _note_invoices(connection, account, tenant_id, clock)
    decide = [rest for rest in list_rests(connection, tenant_id, WAITING) if rest.account == account.account]
    return CloseResult(
        account.account, account.mode, dry_run, tuple(drafts), tuple(proposals), tuple(waiting), tuple(decide),
        pushed, unread, sent,
    )  # fmt: skip


def _read_ending(
    connection: psycopg.Connection[Any], account: StripeAccount, tenant_id: str, clock: Clock
) -> tuple[Unread, ...]:
    parameters = {
        "tenant_id": tenant_id,
        "account": account.account,
        "livemode": account.livemode,
        "now": clock.now(),
        "look_back": LOOK_BACK,
    }
    starts: list[tuple[datetime]] = connection.execute(statement("ending.sql"), parameters).fetchall()
    unread: tuple[Unread, ...] = ()
    for (start,) in starts:
        unread += read_totals(connection, account, tenant_id, clock, period_start=start).unread
    return unread


def _note_invoices(connection: psycopg.Connection[Any], account: StripeAccount, tenant_id: str, clock: Clock) -> None:
    try:
        note_invoices(connection, account, tenant_id, clock)
    except stripe.StripeError:
        # Only for people to read; the next run asks again.
        return
