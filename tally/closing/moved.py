"""Counters whose final invoice does not bill what is counted, and why some of them have to wait."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
from psycopg.rows import class_row

from tally.clock import Clock
from tally.closing.statements import statement

REASONS = {
    "moving": "the counter takes events until closes_at: its rest is worked out then, once",
    "uncounted": "deliveries that landed before closes_at are not counted yet: `tally tick`",
    "under_way": "an earlier rest of this counter is not settled yet",
    "no_invoice": "72 hours after the period's end no invoice bills it: `tally reconcile`, or bill it by hand",
    "void": "the invoice was voided: whoever did so bills the usage again, or does not",
    "uncollectible": "the invoice is written off as uncollectible: nothing is added to it",
    "suggested": "a suggested adjustment of this counter is pending: approve or reject it first",
    "segmented": "its billing period was cut into segments, which one invoice line may bill together: bill it by hand",
    "adjusted": "an approved adjustment books events elsewhere that this counter counts now: revert one of the two",
    "unpriceable": "what it costs cannot be said for certain",
    "unread": "Stripe could not be read",
}
# These pass by themselves.
PASSING = frozenset({"moving", "uncounted", "unread"})
# A replay may change a counter that was settled long ago.
LOOK_BACK = timedelta(days=400)


@dataclass(frozen=True)
class Moved:
    """`target` is the quantity that should be billed, `settled_to` what the invoice and the rests so far settle.

    `billed`, `waived` and `kept` are minor units of earlier rests; `reason` is a key of REASONS, None when it may be
    settled now.
    """

    customer_ref: str
    metric: str
    period_start: datetime
    period_end: datetime
    closes_at: datetime
    value: Decimal
    invoice_id: str
    invoice_line_ids: Sequence[str]
    invoice_status: str
    invoice_quantity: Decimal
    target: Decimal
    is_suggested: bool
    settled_to: Decimal
    last_seq: int
    billed: int
    waived: int
    kept: int
    proposed_id: str | None
    proposed_to: Decimal | None
    proposed_kind: str | None
    is_under_way: bool
    late_usage: str
    overbilled_usage: str
    closing_approval: str
    reason: str | None

    @property
    def is_proposed_as_is(self) -> bool:
        """Whether its rest waits for a person as it should: nothing has to be asked of Stripe again."""
        waits = self.closing_approval == "person" or self.proposed_kind == "write_off"
        return waits and self.proposed_to == self.target


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
    now = clock.now()
    parameters = {
        "tenant_id": tenant_id,
        "account": account,
        "livemode": livemode,
        "now": now,
        "since": now - LOOK_BACK,
    }
    with connection.cursor(row_factory=class_row(Moved)) as cursor:
        found = cursor.execute(statement("moved.sql"), parameters).fetchall()
    oldest = oldest_waiting(connection, tenant_id) if found else None
    ready, waiting = [], []
    for each in found:
        reason = each.reason or ("uncounted" if oldest is not None and oldest < each.closes_at else None)
        if reason is None:
            ready.append(each)
        elif each.target != each.settled_to:
            waiting.append(waits(each, reason))
    for customer_ref, metric, start, value in connection.execute(statement("unbilled.sql"), parameters).fetchall():
        waiting.append(Waiting(customer_ref, metric, start, value, "no_invoice", REASONS["no_invoice"]))
    return ready, waiting


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
