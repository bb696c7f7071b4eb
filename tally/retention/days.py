"""Days of landed rows: what each holds, what would be lost with it, and what keeps it from going."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import psycopg
from psycopg.rows import class_row

from tally.retention.settled import judged_counters

_PARTITIONS = """
select to_date(right(relation.relname, 8), 'YYYYMMDD') as day, format('raw.%%I', relation.relname) as relation
from pg_inherits
inner join pg_class as relation on relation.oid = inhrelid
where inhparent = 'raw.usage_events'::regclass and relation.relname ~ '^usage_events_[0-9]{8}$'
    and to_date(right(relation.relname, 8), 'YYYYMMDD') < %(before)s
order by 1
"""
# Day by day, with the ledger's rows found by key; `deliveries` is every landed row with what became of it.
_JUDGE = """
with deliveries as materialized (
    select
        landed.properties,
        landed.xid,
        event.xid as event_xid,
        (event.xid, event.seq) = (landed.xid, landed.seq) as is_first,
        conflict.seq is not null as is_conflict,
        event.tenant_id,
        event.customer_ref,
        event.metric,
        event.period_start,
        exists (
            select from ledger.int_usage_events_conflicts as waiting
            left join tally.conflict_decisions as decision using (tenant_id, idempotency_key, xid, seq)
            where waiting.tenant_id = landed.tenant_id and waiting.idempotency_key = landed.idempotency_key
                and decision.decision is null
        ) as is_disputed
    from {relation} as landed
    left join ledger.int_usage_events_deduplicated as event using (tenant_id, idempotency_key)
    left join ledger.int_usage_events_conflicts as conflict
        on conflict.tenant_id = landed.tenant_id and conflict.idempotency_key = landed.idempotency_key
        and conflict.xid = landed.xid and conflict.seq = landed.seq
),

totals as (
    select
        count(*) as deliveries,
        count(*) filter (where is_first) as events,
        count(*) filter (where not is_first and not is_conflict) as duplicates,
        count(*) filter (where is_conflict) as conflicts,
        count(*) filter (where is_first and properties is not null) as with_properties,
        count(*) filter (where is_disputed) as disputed,
        count(*) filter (where event_xid is null or xid >= (select min(read_to) from tally.model_bounds)) as unread
    from deliveries
),

unsettled as (
    select reason, count(*) as counters
    from (select distinct tenant_id, customer_ref, metric, period_start from deliveries) as touched
    inner join unsettled_counters using (tenant_id, customer_ref, metric, period_start)
    group by reason
)

select
    %(day)s::date as day,
    %(relation)s::text as relation,
    totals.deliveries,
    totals.events,
    totals.duplicates,
    totals.conflicts,
    totals.with_properties,
    pg_total_relation_size(%(relation)s::text::regclass) as bytes,
    array_remove(
        array[
            case when totals.unread > 0 then totals.unread || ' deliveries not read by every model: tally tick' end,
            case when totals.disputed > 0 then totals.disputed || ' rows of conflicts to decide: tally conflicts' end
        ],
        null
    )
    || array(select counters || ' counters: ' || reason from unsettled order by counters desc, reason) as blocked
from totals
"""


@dataclass(frozen=True)
class Day:
    """A UTC day of landed rows. What goes with them: `with_properties` events that can no longer be measured anew,
    and `duplicates` and `conflicts` that can no longer be listed. `blocked` says why it must stay; empty: it may go."""

    day: date
    relation: str
    deliveries: int
    events: int
    duplicates: int
    conflicts: int
    with_properties: int
    bytes: int
    blocked: list[str]


def days_older_than(connection: psycopg.Connection, age: timedelta, now: datetime) -> list[Day]:
    """Every attached day partition that ended at least `age` ago, the oldest first.

    Raises:
        RetentionRefused: the ledger was never built, or is another cluster's.
    """
    partitions = connection.execute(_PARTITIONS, {"before": (now - age).astimezone(UTC).date()}).fetchall()
    with judged_counters(connection, now):
        return [judge(connection, day, relation) for day, relation in partitions]


def judge(connection: psycopg.Connection, day: date, relation: str) -> Day:
    """One partition, against the temporary table of `judged_counters`."""
    with connection.cursor(row_factory=class_row(Day)) as cursor:
        found = cursor.execute(_JUDGE.format(relation=relation), {"day": day, "relation": relation}).fetchone()
    assert found is not None
    return found


def starts_at(day: date) -> datetime:
    """When a UTC day begins."""
    return datetime.combine(day, time(), UTC)
