"""What a replay changes, counter by counter, and the hash that stands for it."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import psycopg
from psycopg.rows import class_row

# Whole, so that its order is everywhere the same, whatever the database sorts like.
_CHANGES = """
    select
        customer_ref, metric, period_start, period_end, closes_at, value_before, value_after,
        events_before, events_after, late_before, late_after, moved, told, would_push, is_closed, is_held
    from tally.replay_changes
    where replay_id = %s
    order by customer_ref collate "C", metric collate "C", period_start
"""


@dataclass(frozen=True)
class Change:
    """One counter, before and after. Values are None where there is no counter; times are UTC.

    `events_*` are those that count. `moved`: events whose period, outcome or measured value differs. `told`: what
    Stripe was told; `would_push`: what it would be told next; both None for a metric that is not mapped. `is_held`:
    left as it is, because it is closed or shares moved events with a closed one.
    """

    customer_ref: str
    metric: str
    period_start: datetime
    period_end: datetime | None
    closes_at: datetime | None
    value_before: Decimal | None
    value_after: Decimal | None
    events_before: int
    events_after: int
    late_before: int
    late_after: int
    moved: int
    told: Decimal | None
    would_push: Decimal | None
    is_closed: bool
    is_held: bool

    @property
    def delta(self) -> Decimal:
        """What the value gains."""
        return (self.value_after or Decimal(0)) - (self.value_before or Decimal(0))


def read_changes(connection: psycopg.Connection[Any], replay_id: str) -> list[Change]:
    """The changes of a replay, in the order of the hash."""
    with connection.cursor(row_factory=class_row(Change)) as cursor:
        return cursor.execute(_CHANGES, (replay_id,)).fetchall()


def hash_of(changes: Sequence[Change]) -> str:
    """SHA-256, in hex, of which counters gain what: usage that goes on meanwhile adds to both sides."""
    digest = hashlib.sha256()
    for change in changes:
        line = (
            change.customer_ref,
            change.metric,
            change.period_start.isoformat(),
            f"{change.delta.normalize():f}",
            change.events_after - change.events_before,
            change.late_after - change.late_before,
            change.moved,
            change.is_held,
        )
        digest.update(json.dumps(line).encode() + b"\n")
    return digest.hexdigest()
