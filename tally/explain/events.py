"""The events behind a counter, streamed: each with its standing, why it is left out, and its repeats."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import uuid4

import psycopg
from psycopg.rows import class_row

from tally.explain.counter import Subject

Outcome = Literal["counted", "late", "filtered", "unmeasurable", "unmetered", "reversed", "not_yet_counted"]
_BATCH = 5000

# Repeats are looked for where events land, which has no index but xid: only when the ledger says that there are any.
# A repeat that says the same names the same customer, metric and time, and landed in no transaction before the first.
_EVENTS = """
with bounds as (
    select
        coalesce(max(read_to) filter (where model = 'ledger.int_usage_counters'), '0') as counters,
        coalesce(max(read_to) filter (where model = 'marts.usage_deliveries'), '0') as deliveries
    from tally.model_bounds
),

events as materialized (
    select idempotency_key, event_time, landed_at, seq, xid, quantity, member, dimensions, outcome, period_end
    from ledger.int_usage_events_deduplicated
    where tenant_id = %(tenant_id)s and customer_ref = %(customer_ref)s and metric = %(metric)s
        and period_start = %(period_start)s
),

repeats as (
    select event.idempotency_key, array_agg(delivery.landed_at order by delivery.xid, delivery.seq) as landed_at
    from raw.usage_events as delivery
    inner join events as event
        on delivery.idempotency_key = event.idempotency_key and (delivery.xid, delivery.seq) <> (event.xid, event.seq)
    where %(has_duplicates)s
        and delivery.xid >= (select min(xid) from events)
        and delivery.xid < (select deliveries from bounds)
        and delivery.tenant_id = %(tenant_id)s
        and delivery.customer_ref = %(customer_ref)s
        and delivery.metric = %(metric)s
        and delivery.event_time >= %(period_start)s
        and delivery.event_time < %(period_end)s
        and not exists (
            select from ledger.int_usage_events_conflicts as conflict
            where conflict.tenant_id = %(tenant_id)s
                and conflict.idempotency_key = delivery.idempotency_key
                and conflict.xid = delivery.xid
                and conflict.seq = delivery.seq
        )
    group by 1
)

select
    event.idempotency_key,
    event.event_time,
    event.landed_at,
    event.quantity,
    event.member,
    event.dimensions,
    event.period_end,
    case
        when event.outcome = 'counted' and event.xid >= bounds.counters then 'not_yet_counted'
        else event.outcome
    end as outcome,
    case when event.outcome = 'reversed' then reversal.reason || ', by ' || reversal.reversed_by end as note,
    coalesce(repeats.landed_at, '{}') as duplicates
from events as event
cross join bounds
left join repeats on event.idempotency_key = repeats.idempotency_key
left join tally.event_reversals as reversal
    on reversal.tenant_id = %(tenant_id)s and event.idempotency_key = reversal.idempotency_key
order by event.event_time, event.landed_at, event.seq
"""


@dataclass(frozen=True)
class Event:
    """One event. `quantity` is what its meter measured of it; `duplicates`: when equal deliveries of it landed."""

    idempotency_key: str
    event_time: datetime
    landed_at: datetime
    quantity: Decimal | None
    member: str | None
    dimensions: dict[str, str] | None
    period_end: datetime
    outcome: Outcome
    note: str | None
    duplicates: list[datetime]


def stream_events(connection: psycopg.Connection[Any], subject: Subject, has_duplicates: bool) -> Iterator[Event]:
    """Every event of the counter's period, counted or not, by (event_time, landed_at, seq); in a transaction."""
    with connection.cursor(f"explain_{uuid4().hex}", row_factory=class_row(Event)) as cursor:
        cursor.itersize = _BATCH
        cursor.execute(_EVENTS, subject.parameters | {"has_duplicates": has_duplicates})
        yield from cursor
