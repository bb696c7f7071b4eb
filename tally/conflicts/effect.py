"""What replacing an event's first delivery does: to its counter, or where that is closed to an adjustment."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import psycopg
from psycopg.rows import class_row

from tally.adjustments.ledger_rules import statement
from tally.adjustments.proposal import Proposal, state_of, write
from tally.conflicts.conflict import Delivery
from tally.errors import LedgerError
from tally.periods import Period


@dataclass(frozen=True)
class FirstEvent:
    """The event as the ledger holds it. `is_replacement_taken`: an event under the replacement's key exists already."""

    customer_ref: str
    metric: str
    period_start: datetime
    period_end: datetime
    closes_at: datetime
    outcome: str
    is_reversed: bool
    is_replacement_taken: bool

    def is_in_a_closed_counter(self, now: datetime) -> bool:
        """Whether it counts in a counter that takes no events any more. A late or filtered one is in no counter."""
        return self.outcome == "counted" and now >= self.closes_at


@dataclass(frozen=True)
class _Amount:
    amount: Decimal
    is_same_counter: bool
    is_one_moment: bool


def first_event(connection: psycopg.Connection[Any], tenant_id: str, key: str, replacement_key: str) -> FirstEvent:
    """The event under `key`, which the ledger has read."""
    with connection.cursor(row_factory=class_row(FirstEvent)) as cursor:
        found = cursor.execute(
            statement(__package__, "first_event.sql"),
            {"tenant_id": tenant_id, "idempotency_key": key, "replacement_key": replacement_key},
        ).fetchone()
    assert found is not None
    return found


def reverse(
    connection: psycopg.Connection[Any], tenant_id: str, key: str, reason: str, actor: str, now: datetime
) -> None:
    """Take the event out; its counter shows it once it is recounted."""
    connection.execute(
        "insert into tally.event_reversals (tenant_id, idempotency_key, reason, reversed_at, reversed_by)"
        " values (%s, %s, %s, %s, %s)",
        (tenant_id, key, reason, now, actor),
    )


def land(
    connection: psycopg.Connection[Any], tenant_id: str, chosen: Delivery, replacement_key: str, now: datetime
) -> None:
    """Land the delivery's payload as an event of its own."""
    connection.execute(
        "insert into raw.usage_events (tenant_id, idempotency_key, customer_ref, metric, quantity, event_time,"
        " properties, landed_at) values (%s, %s, %s, %s, %s, %s, %s, %s)",
        (tenant_id, replacement_key, chosen.customer_ref, chosen.metric, chosen.quantity, chosen.event_time,
         chosen.properties, now),
    )  # fmt: skip


def adjust(
    connection: psycopg.Connection[Any],
    tenant_id: str,
    key: str,
    chosen: Delivery,
    first: FirstEvent,
    replacement_key: str,
    actor: str,
    note: str,
    now: datetime,
) -> tuple[str, Decimal]:
    """Propose what the closed counter would have been worth, minus what it is; returns the adjustment and its amount.

    A replacement of another counter (other customer, metric or period) is not part of it: it lands there by itself,
    and counts, or is late and proposed as such.

    Raises:
        LedgerError: the ledger has read the events and their counters to different points.
    """
    with connection.cursor(row_factory=class_row(_Amount)) as cursor:
        found = cursor.execute(
            statement(
                __package__,
                "replacement_amount.sql",
                int_usage_value_counts="value_counts",
                int_usage_gauge_readings="gauge_readings",
            ),
            {"tenant_id": tenant_id, "idempotency_key": key, "xid": chosen.xid, "seq": chosen.seq, "now": now},
        ).fetchone()
    if found is None or not found.is_one_moment:
        raise LedgerError("the ledger's models have not read equally far: run `tally tick` until none of them fails")
    proposal = Proposal(
        adjustment_id=str(uuid4()),
        customer_ref=first.customer_ref,
        metric=first.metric,
        period=Period(first.period_start, first.period_end),
        amount=found.amount,
        reason="conflict",
        made_by=actor,
        note=note,
        state=state_of(found.amount),
    )
    write(connection, tenant_id, proposal, [key, *([replacement_key] if found.is_same_counter else [])], now)
    return proposal.adjustment_id, found.amount
