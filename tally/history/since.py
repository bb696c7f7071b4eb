"""What came to counters since a moment: events, decisions, adjustments, replays."""

from collections import defaultdict
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import psycopg
from psycopg.rows import class_row

from tally.history.counters import CounterKey, Selection

_EVENTS = """
select
    customer_ref, metric, period_start,
    count(*) filter (where outcome = 'counted' and landed_at >= %(at)s) as landed,
    count(*) filter (where outcome = 'late' and landed_at >= %(at)s) as late,
    count(*) filter (where outcome = 'reversed' and landed_at < %(at)s) as reversed
from ledger.int_usage_events_deduplicated as event
left join tally.event_reversals as reversal using (tenant_id, idempotency_key)
where event.tenant_id = %(tenant_id)s
    and (event.landed_at >= %(at)s or (event.outcome = 'reversed' and reversal.reversed_at >= %(at)s))
    and (%(customer_ref)s::text is null or customer_ref = %(customer_ref)s)
    and (%(metric)s::text is null or metric = %(metric)s)
    and (%(starting_from)s::timestamptz is null or period_start >= %(starting_from)s)
    and (%(starting_before)s::timestamptz is null or period_start < %(starting_before)s)
group by 1, 2, 3
"""
_ADJUSTMENTS = """
select adjustment_id::text, customer_ref, metric, booked_start as period_start, amount, reason, decided_by
from tally.adjustments
where tenant_id = %(tenant_id)s and booked_start is not null and decided_at >= %(at)s
order by decided_at, adjustment_id
"""

_REPLAYS = """
select
    replay.replay_id::text, change.customer_ref, change.metric, change.period_start, replay.applied_at,
    replay.applied_by, change.value_before, change.value_after
from tally.replays as replay
inner join tally.replay_changes as change using (replay_id)
where replay.tenant_id = %(tenant_id)s and replay.applied_at >= %(at)s and not change.is_held
order by replay.applied_at, replay.replay_id
"""


@dataclass(frozen=True)
class EventsSince:
    """How many events of a counter landed since, were late, or were taken out of it."""

    customer_ref: str
    metric: str
    period_start: datetime
    landed: int
    late: int
    reversed: int


@dataclass(frozen=True)
class AdjustmentSince:
    """An adjustment that was booked into a counter since."""

    adjustment_id: str
    customer_ref: str
    metric: str
    period_start: datetime
    amount: Decimal
    reason: str
    decided_by: str


@dataclass(frozen=True)
class ReplaySince:
    """A replay that changed a counter since. A value is None where there was, or is, no counter."""

    replay_id: str
    customer_ref: str
    metric: str
    period_start: datetime
    applied_at: datetime
    applied_by: str
    value_before: Decimal | None
    value_after: Decimal | None


def events_since(
    connection: psycopg.Connection[Any], tenant_id: str, at: datetime, selection: Selection
) -> dict[CounterKey, EventsSince]:
    """By counter; one without such events is left out."""
    with connection.cursor(row_factory=class_row(EventsSince)) as cursor:
        found = cursor.execute(_EVENTS, {"tenant_id": tenant_id, "at": at, **asdict(selection)})
        return {(row.customer_ref, row.metric, row.period_start): row for row in found}


def adjustments_since(
    connection: psycopg.Connection[Any], tenant_id: str, at: datetime
) -> dict[CounterKey, list[AdjustmentSince]]:
    """By counter, oldest decision first."""
    by_counter: dict[CounterKey, list[AdjustmentSince]] = defaultdict(list)
    with connection.cursor(row_factory=class_row(AdjustmentSince)) as cursor:
        for row in cursor.execute(_ADJUSTMENTS, {"tenant_id": tenant_id, "at": at}):
            by_counter[row.customer_ref, row.metric, row.period_start].append(row)
    return by_counter


def replays_since(
    connection: psycopg.Connection[Any], tenant_id: str, at: datetime
) -> dict[CounterKey, list[ReplaySince]]:
    """By counter, oldest first."""
    by_counter: dict[CounterKey, list[ReplaySince]] = defaultdict(list)
    with connection.cursor(row_factory=class_row(ReplaySince)) as cursor:
        for row in cursor.execute(_REPLAYS, {"tenant_id": tenant_id, "at": at}):
            by_counter[row.customer_ref, row.metric, row.period_start].append(row)
    return by_counter
