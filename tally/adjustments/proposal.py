"""Writing what the ledger proposes: pending, or settled at once where nothing would change."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

import psycopg

from tally.adjustments.adjustment import LEDGER, State
from tally.periods import Period

_WRITE = """
insert into tally.adjustments as old (
    adjustment_id, tenant_id, customer_ref, metric, period_start, period_end, amount, reason, note, state,
    created_at, created_by, decided_at, decided_by, booked_start, booked_end
) values (
    %(adjustment_id)s, %(tenant_id)s, %(customer_ref)s, %(metric)s, %(start)s, %(end)s, %(amount)s, %(reason)s,
    %(note)s, %(state)s, %(now)s, %(made_by)s,
    case when %(state)s <> 'pending' then %(now)s end, case when %(state)s <> 'pending' then %(ledger)s end,
    case when %(state)s = 'approved' then %(start)s end, case when %(state)s = 'approved' then %(end)s end
)
on conflict (adjustment_id) do update set
    amount = excluded.amount, note = excluded.note, state = excluded.state,
    decided_at = excluded.decided_at, decided_by = excluded.decided_by,
    booked_start = excluded.booked_start, booked_end = excluded.booked_end
"""
# What changes nothing needs nobody's decision. Approved, not rejected: its events still take part in later amounts.
_NOTES: dict[State, str] = {
    "approved": "changes nothing: the value stays what it is",
    "rejected": "none of its events is late any more",
}


@dataclass(frozen=True)
class Proposal:
    """What would correct a counter: `amount`, for the events `keys`."""

    adjustment_id: str
    customer_ref: str
    metric: str
    period: Period
    amount: Decimal
    reason: Literal["late_events", "conflict"]
    made_by: str
    note: str
    state: State


def state_of(amount: Decimal) -> State:
    """Pending, unless it changes nothing."""
    return "pending" if amount else "approved"


def write(
    connection: psycopg.Connection[Any], tenant_id: str, proposal: Proposal, keys: Sequence[str], now: datetime
) -> None:
    """Insert or update the proposed adjustment and link the events `keys` to it, in the caller's transaction."""
    connection.execute(
        _WRITE,
        {
            "adjustment_id": proposal.adjustment_id,
            "tenant_id": tenant_id,
            "customer_ref": proposal.customer_ref,
            "metric": proposal.metric,
            "start": proposal.period.start,
            "end": proposal.period.end,
            "amount": proposal.amount,
            "reason": proposal.reason,
            "note": proposal.note or _NOTES.get(proposal.state, ""),
            "state": proposal.state,
            "now": now,
            "made_by": proposal.made_by,
            "ledger": LEDGER,
        },
    )
    connection.execute(
        "insert into tally.adjustment_events (tenant_id, idempotency_key, adjustment_id)"
        " select %s, key, %s from unnest(%s::text[]) as key",
        (tenant_id, proposal.adjustment_id, list(keys)),
    )
