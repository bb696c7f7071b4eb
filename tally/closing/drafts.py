"""Drafts, and what of the counters on them is not settled yet."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
from psycopg.rows import class_row

from tally.closing.moved import oldest_waiting
from tally.closing.statements import statement
from tally.pipeline_status import TICK_LAG_LIMIT


@dataclass(frozen=True)
class BilledDraft:
    """A draft as last read, and why its counters are not settled, a sentence each."""

    invoice_id: str
    customer_ref: str
    period_end: datetime
    unsettled: Sequence[str]


@dataclass(frozen=True)
class Grace:
    """The time between a period's end and its invoice's finalization."""

    period_end: datetime
    finalizes_at: datetime

    @property
    def settled_by(self) -> datetime:
        """By when every intent should be settled: half the grace."""
        return self.period_end + (self.finalizes_at - self.period_end) / 2

    def hold_from(self, share: Decimal) -> datetime:
        """From when on an unsettled draft is held: this share of the grace is left."""
        grace = max(self.finalizes_at - self.period_end, timedelta(0))
        left = timedelta(microseconds=int(grace // timedelta(microseconds=1) * share))
        return self.finalizes_at - left


def drafts(
    connection: psycopg.Connection[Any], tenant_id: str, account: str, livemode: bool, now: datetime
) -> list[BilledDraft]:
    """Every draft of the account that bills counters of ours, the one whose period ended first at the top."""
    parameters = {"tenant_id": tenant_id, "account": account, "livemode": livemode}
    with connection.cursor(row_factory=class_row(BilledDraft)) as cursor:
        found = cursor.execute(statement("drafts.sql"), parameters).fetchall()
    oldest = oldest_waiting(connection, tenant_id) if found else None
    if oldest is None or now - oldest <= TICK_LAG_LIMIT:
        return found
    said = f"deliveries landed since {oldest:%Y-%m-%d %H:%M:%S}Z are not counted yet"
    return [BilledDraft(each.invoice_id, each.customer_ref, each.period_end, [*each.unsettled, said]) for each in found]
