"""An adjustment as it is stored, and how it is read."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, LiteralString, get_args
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from tally.adjustments.errors import NoSuchAdjustment
from tally.periods import Period

State = Literal["pending", "approved", "reverted", "rejected"]
# What a person may give; "late_events", "conflict" and "revert" are made by the steps of that name.
Reason = Literal["correction", "goodwill", "billing_error"]
REASONS: tuple[str, ...] = get_args(Reason)
# Who makes an adjustment for late events. Nobody's name: whoever approves it is the first person to look at it.
LEDGER = "tally"

COLUMNS: LiteralString = (
    "adjustment_id::text, customer_ref, metric, period_start, period_end, amount, reason, note, state, created_at,"
    " created_by, decided_at, decided_by, booked_start, booked_end, reverts::text"
)


@dataclass(frozen=True)
class Adjustment:
    """`amount` is in the meter's unit and may be negative. `booked_*` is the period whose counter it is a part of."""

    adjustment_id: str
    customer_ref: str
    metric: str
    period_start: datetime
    period_end: datetime
    amount: Decimal
    reason: str
    note: str
    state: State
    created_at: datetime
    created_by: str
    decided_at: datetime | None
    decided_by: str | None
    booked_start: datetime | None
    booked_end: datetime | None
    reverts: str | None

    @property
    def period(self) -> Period:
        """The period that the correction is about."""
        return Period(self.period_start, self.period_end)

    @property
    def booked(self) -> Period | None:
        """The period whose counter it changed; None until it is approved."""
        if self.booked_start is None or self.booked_end is None:
            return None
        return Period(self.booked_start, self.booked_end)


def read(
    connection: psycopg.Connection[Any], tenant_id: str, adjustment_id: UUID | str, *, lock: bool = False
) -> Adjustment:
    """The adjustment; with `lock` nobody else can decide about it until the transaction ends.

    Raises:
        NoSuchAdjustment: the tenant has none of this id.
    """
    query: LiteralString = (
        f"select {COLUMNS} from tally.adjustments where tenant_id = %s and adjustment_id = %s"
        f"{' for update' if lock else ''}"
    )
    with connection.cursor(row_factory=class_row(Adjustment)) as cursor:
        found = cursor.execute(query, (tenant_id, adjustment_id)).fetchone()
    if found is None:
        raise NoSuchAdjustment(f"tenant {tenant_id} has no adjustment {adjustment_id}: `tally adjustments list`")
    return found
