"""The limit: the same rows in the same tables, by one plain SQL statement a table, written for just these meters."""

import psycopg

_EVENTS = """
insert into ledger.int_usage_events_deduplicated (
    period_start, period_end, closes_at, event_time, landed_at, seq, xid, payload_hash, quantity,
    tenant_id, idempotency_key, customer_ref, metric, outcome
)
select
    period.period_start, period.period_end, period.period_end + meter.lateness_window,
    event.event_time, event.landed_at, event.seq, event.xid,
    md5(row(
        event.customer_ref, event.metric, trim_scale(event.quantity), extract(epoch from event.event_time),
        tally.canonical_properties(event.properties)
    )::text)::uuid,
    trim_scale(event.quantity), event.tenant_id, event.idempotency_key, event.customer_ref, event.metric,
    case when event.landed_at < period.period_end + meter.lateness_window then 'counted' else 'late' end
from (
    select distinct on (tenant_id, idempotency_key) *
    from raw.usage_events
    where xid >= %(read_from)s and xid < %(read_to)s
    order by tenant_id, idempotency_key, xid, seq
) as event
inner join tally.meters as meter using (tenant_id, metric)
inner join tally.customer_periods as period
    on event.tenant_id = period.tenant_id and event.customer_ref = period.customer_ref
    and event.event_time >= period.period_start and event.event_time < period.period_end
"""
EVENTS = _EVENTS + "on conflict (tenant_id, idempotency_key) do nothing"
# Into a table without its primary key, for a history in which nothing repeats.
EVENTS_WITHOUT_A_KEY = _EVENTS

# What is delivered again: not the first of its event. Probes of the primary key for these few only.
_REPEATS = """
    select delivery.*, first.payload_hash as first_hash, first.xid as first_xid, first.seq as first_seq,
        first.customer_ref as first_customer_ref, first.metric as first_metric, first.quantity as first_quantity,
        first.event_time as first_event_time, first.period_start, first.period_end,
        md5(row(
            delivery.customer_ref, delivery.metric, trim_scale(delivery.quantity),
            extract(epoch from delivery.event_time), tally.canonical_properties(delivery.properties)
        )::text)::uuid as its_hash
    from raw.usage_events as delivery
    cross join lateral (
        select * from ledger.int_usage_events_deduplicated as event
        where event.tenant_id = delivery.tenant_id and event.idempotency_key = delivery.idempotency_key
        limit 1
    ) as first
    where delivery.xid >= %(read_from)s and delivery.xid < %(read_to)s
        and not exists (
            select from ledger.int_usage_events_deduplicated as event
            where event.xid >= %(read_from)s and event.xid < %(read_to)s
                and event.xid = delivery.xid and event.seq = delivery.seq
        )
"""

CONFLICTS = f"""
insert into ledger.int_usage_events_conflicts
select tenant_id, idempotency_key, xid, seq, landed_at, customer_ref, metric, quantity, event_time, properties,
    its_hash, first_xid, first_seq, first_customer_ref, first_metric, first_quantity, first_event_time, period_start
from ({_REPEATS}) as repeat
where its_hash <> first_hash
"""

DELIVERIES = f"""
insert into marts.usage_deliveries as known (
    tenant_id, customer_ref, metric, period_start, period_end,
    deliveries, events, duplicates, conflicts, late_events, counted_events, left_out_events
)
select tenant_id, customer_ref, metric, period_start, max(period_end),
    count(*), count(*) filter (where became in ('counted', 'late')), count(*) filter (where became = 'duplicate'),
    count(*) filter (where became = 'conflict'), count(*) filter (where became = 'late'),
    count(*) filter (where became = 'counted'), 0
from (
    select tenant_id, customer_ref, metric, period_start, period_end, outcome as became
    from ledger.int_usage_events_deduplicated
    where xid >= %(read_from)s and xid < %(read_to)s
    union all
    select tenant_id, first_customer_ref, first_metric, period_start, period_end,
        case when its_hash = first_hash then 'duplicate' else 'conflict' end
    from ({_REPEATS}) as repeat
) as delivery
group by 1, 2, 3, 4
on conflict (tenant_id, customer_ref, metric, period_start) do update set
    deliveries = known.deliveries + excluded.deliveries, events = known.events + excluded.events,
    duplicates = known.duplicates + excluded.duplicates, conflicts = known.conflicts + excluded.conflicts,
    late_events = known.late_events + excluded.late_events,
    counted_events = known.counted_events + excluded.counted_events
"""

_MERGE = """
    event_count = known.event_count + excluded.event_count, quantity_sum = known.quantity_sum + excluded.quantity_sum,
    quantity_min = least(known.quantity_min, excluded.quantity_min),
    quantity_max = greatest(known.quantity_max, excluded.quantity_max),
    (last_quantity, last_event_time, last_landed_at, last_seq) = (
        select newest.* from (values
            (known.last_quantity, known.last_event_time, known.last_landed_at, known.last_seq),
            (excluded.last_quantity, excluded.last_event_time, excluded.last_landed_at, excluded.last_seq)
        ) as newest (quantity, event_time, landed_at, seq)
        order by newest.event_time desc, newest.landed_at desc, newest.seq desc limit 1
    )
"""
_AGGREGATES = """
    count(*), sum(quantity), min(quantity), max(quantity),
    max(quantity) filter (where is_last), max(event_time) filter (where is_last),
    max(landed_at) filter (where is_last), max(seq) filter (where is_last)
"""

COUNTERS = f"""
insert into ledger.int_usage_counters as known (
    tenant_id, customer_ref, metric, period_start, period_end, closes_at, newest_xid,
    event_count, quantity_sum, quantity_min, quantity_max, last_quantity, last_event_time, last_landed_at, last_seq
)
select tenant_id, customer_ref, metric, period_start, max(period_end), max(closes_at), max(xid), {_AGGREGATES}
from (
    select *, row_number() over (
        partition by tenant_id, customer_ref, metric, period_start order by event_time desc, landed_at desc, seq desc
    ) = 1 as is_last
    from ledger.int_usage_events_deduplicated
    where xid >= %(read_from)s and xid < %(read_to)s and outcome = 'counted'
) as event
group by 1, 2, 3, 4
on conflict (tenant_id, customer_ref, metric, period_start) do update set newest_xid = excluded.newest_xid, {_MERGE}
"""

HOURS = f"""
insert into marts.usage_hourly as known (
    tenant_id, customer_ref, metric, period_start, hour_start, dimensions,
    event_count, quantity_sum, quantity_min, quantity_max, last_quantity, last_event_time, last_landed_at, last_seq
)
select tenant_id, customer_ref, metric, period_start, hour_start, '{{}}', {_AGGREGATES}
from (
    select *, row_number() over (
        partition by tenant_id, customer_ref, metric, period_start, hour_start
        order by event_time desc, landed_at desc, seq desc
    ) = 1 as is_last
    from (
        select *, date_trunc('hour', event_time, 'UTC') as hour_start
        from ledger.int_usage_events_deduplicated
        where xid >= %(read_from)s and xid < %(read_to)s and outcome = 'counted'
    ) as event
) as event
group by 1, 2, 3, 4, 5
on conflict (tenant_id, customer_ref, metric, period_start, hour_start, dimensions) do update set {_MERGE}
"""


def count_by_hand(connection: psycopg.Connection) -> None:
    """Read what landed since the last time into every table, in one transaction that the caller commits."""
    window = connection.execute(
        "select min(read_to)::text as read_from, pg_snapshot_xmin(pg_current_snapshot())::text as read_to"
        " from tally.model_bounds"
    ).fetchone()
    assert window is not None
    prepare(connection)
    for statement in (EVENTS, CONFLICTS, DELIVERIES, COUNTERS, HOURS):
        run(connection, statement, *window)
    connection.execute("update tally.model_bounds set read_to = %s, updated_at = now()", (window[1],))


def prepare(connection: psycopg.Connection) -> None:
    """For this transaction what the ledger gives itself: memory to sort in, and joins by hash."""
    connection.execute("set local work_mem = '64MB'")
    connection.execute("set local enable_nestloop = off")
    connection.execute("set local enable_mergejoin = off")


def run(connection: psycopg.Connection, statement: str, read_from: str, read_to: str) -> None:
    """One statement over one window, its bounds as literals: the planner sees them."""
    window = {"read_from": read_from, "read_to": read_to}
    psycopg.ClientCursor(connection).execute(statement.encode(), window)
