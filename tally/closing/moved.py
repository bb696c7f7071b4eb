"""Counters whose final invoice does not bill what is counted, and why some of them have to wait."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
from psycopg.rows import class_row

from tally.clock import Clock
from tally.closing.rest import Basis
from tally.closing.statements import statement

REASONS = {
    "moving": "the counter takes events until closes_at: its rest is worked out then, once",
    "uncounted": "deliveries that landed before closes_at are not counted yet: `tally tick`",
    "under_way": "an earlier rest of this counter is not settled yet",
    "no_invoice": "72 hours after the period's end no invoice bills it: `tally reconcile`, or bill it by hand",
    "suggested": "a suggested adjustment of this counter is pending: approve or reject it first",
    "segmented": "its period was cut where no line of the invoice ends: name the amount with `tally close settle`",
    "adjusted": "an approved adjustment books events elsewhere that this counter counts now: revert one of the two",
    "unpriceable": "what it costs cannot be said for certain (`tally close settle` takes the amount from you)",
    "outdated": "the invoice has changed since it was read: `tally reconcile`, and the hourly check, read it",
    "unread": "Stripe could not be read",
}
# These pass by themselves.
PASSING = frozenset({"moving", "uncounted", "unread", "outdated"})
# A replay may change a counter that was settled long ago.
LOOK_BACK = timedelta(days=400)


@dataclass(frozen=True)
class Moved:
    """`target` is the quantity that should be billed, `settled_to` what the invoice and the rests so far settle.

    `segments` are the starts of the segments that its lines bill together, itself included. Of a voided invoice
    everything is to settle: `settled_to` begins at 0. `billed`, `waived` and `kept` are minor units of earlier rests;
    `reason` is a key of REASONS, None when it may be settled now.
    """

    customer_ref: str
    metric: str
    period_start: datetime
    period_end: datetime
    closes_at: datetime
    segments: Sequence[datetime]
    value: Decimal
    invoice_id: str
    invoice_line_ids: Sequence[str]
    invoice_status: str
    basis: Basis
    invoice_quantity: Decimal
    summary_quantity: Decimal | None
    target: Decimal
    is_suggested: bool
    is_uneven: bool
    settled_to: Decimal
    last_seq: int
    billed: int
    waived: int
    kept: int
    proposed_id: str | None
    proposed_to: Decimal | None
    proposed_kind: str | None
    proposed_basis: str | None
    is_under_way: bool
    is_replaced: bool
    late_usage: str
    overbilled_usage: str
    closing_approval: str
    reason: str | None

    @property
    def is_proposed_as_is(self) -> bool:
        """Whether its rest waits for a person as it should: nothing has to be asked of Stripe again."""
        waits = self.closing_approval == "person" or self.proposed_kind == "write_off" or self.basis == "void"
        return waits and self.proposed_to == self.target and self.proposed_basis == self.basis


@dataclass(frozen=True)
class Waiting:
    """A counter with a rest that is not settled: `detail` says why in words."""

    customer_ref: str
    metric: str
    period_start: datetime
    quantity: Decimal
    reason: str
    detail: str

    @property
    def needs_a_person(self) -> bool:
        """Whether it stays like this until somebody does something."""
        return self.reason not in PASSING | {"under_way"}


def moved_counters(
    connection: psycopg.Connection[Any], tenant_id: str, account: str, livemode: bool, clock: Clock
) -> tuple[list[Moved], list[Waiting]]:
    """Those that can be settled now, and those that wait. Reads what is stored; calls nobody."""
    found, parameters = _found(connection, tenant_id, account, livemode, clock)
    oldest = oldest_waiting(connection, tenant_id) if found else None
    ready, waiting = [], []
    for each in found:
        reason = _reason(each, oldest)
        if reason is None:
            ready.append(each)
        elif each.target != each.settled_to:
            waiting.append(waits(each, reason))
    for customer_ref, metric, start, value in connection.execute(statement("unbilled.sql"), parameters).fetchall():
        waiting.append(Waiting(customer_ref, metric, start, value, "no_invoice", REASONS["no_invoice"]))
    return ready, waiting


def moved_counter(
    connection: psycopg.Connection[Any],
    tenant_id: str,
    account: str,
    livemode: bool,
    clock: Clock,
    counter: tuple[str, str, datetime],
) -> Moved | None:
    """The counter of (customer_ref, metric, period_start), its `reason` complete; None: it is billed as counted."""
    found, _ = _found(connection, tenant_id, account, livemode, clock)
    for each in found:
        if (each.customer_ref, each.metric, each.period_start) == counter:
            return replace(each, reason=_reason(each, oldest_waiting(connection, tenant_id)))
    return None


def _reason(counter: Moved, oldest: datetime | None) -> str | None:
    return counter.reason or ("uncounted" if oldest is not None and oldest < counter.closes_at else None)


def _found(
    connection: psycopg.Connection[Any], tenant_id: str, account: str, livemode: bool, clock: Clock
) -> tuple[list[Moved], dict[str, Any]]:
    now = clock.now()
    parameters = {
        "tenant_id": tenant_id,
        "account": account,
        "livemode": livemode,
        "now": now,
        "since": now - LOOK_BACK,
    }
    with connection.cursor(row_factory=class_row(Moved)) as cursor:
        return cursor.execute(statement("moved.sql"), parameters).fetchall(), parameters


def waits(counter: Moved, reason: str, detail: str = "") -> Waiting:
    """The counter as one that waits for `reason`."""
    said = f"{REASONS[reason]}: {detail}" if detail else REASONS[reason]
    if reason == "moving":
        said = f"{said} ({counter.closes_at:%Y-%m-%d %H:%M:%S}Z)"
    quantity = counter.target - counter.settled_to
    return Waiting(counter.customer_ref, counter.metric, counter.period_start, quantity, reason, said)


def oldest_waiting(connection: psycopg.Connection[Any], tenant_id: str) -> datetime | None:
    """When the oldest landed delivery that is not counted yet landed; None when all are counted."""
    row = connection.execute(statement("waiting.sql"), {"tenant_id": tenant_id}).fetchone()
    return row[0] if row else None
