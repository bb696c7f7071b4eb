{%- from 'wanted.sql' import wanted -%}
-- Landed rows that say that they are of a counter asked about and are none of its events' first deliveries, by what they are:
-- repeat, conflict (both known to the ledger), unread (of no event at all) or contradicting (another payload, kept nowhere).
-- Parameters: tenant_id, and the counters as equally long lists: customers, metrics, starts, ends, known_to.
with {{ wanted() }},

read_by_all as (

    select coalesce(min(read_to), '0'::xid8) as up_to
    from tally.model_bounds
    where model in (
        'ledger.int_usage_events_deduplicated', 'ledger.int_usage_events_conflicts',
        'ledger.int_usage_counters', 'marts.usage_deliveries'
    )

),

events as materialized (

    select event.idempotency_key, event.xid, event.seq
    from ledger.int_usage_events_deduplicated as event
    inner join wanted using (customer_ref, metric, period_start)
    where event.tenant_id = %(tenant_id)s
        and event.period_start = any(%(starts)s::timestamptz[])

),

others as materialized (

    select
        wanted.position,
        wanted.period_start,
        delivery.idempotency_key,
        delivery.xid,
        delivery.seq,
        delivery.payload_hash
    from staging.stg_usage_events as delivery
    inner join wanted
        on delivery.customer_ref = wanted.customer_ref
        and delivery.metric = wanted.metric
        and delivery.event_time >= wanted.period_start
        and delivery.event_time < wanted.period_end
    where delivery.tenant_id = %(tenant_id)s
        and delivery.xid < (select up_to from read_by_all)
        -- The door takes no event from further ahead than its setting allows, minutes by default.
        and delivery.landed_at >= (select min(period_start) - interval '1 day' from wanted)
        and not exists (
            select from events
            where events.xid = delivery.xid and events.seq = delivery.seq and events.idempotency_key = delivery.idempotency_key
        )

)

select
    others.position,
    known.kind,
    count(*) as deliveries,
    (array_agg(others.idempotency_key order by others.xid, others.seq))[1:20] as keys
from others
left join lateral (
    select event.xid, event.seq, event.payload_hash, event.period_start
    from ledger.int_usage_events_deduplicated as event
    where event.tenant_id = %(tenant_id)s and event.idempotency_key = others.idempotency_key
    limit 1
) as first on true
left join lateral (
    select conflict.seq
    from ledger.int_usage_events_conflicts as conflict
    where conflict.tenant_id = %(tenant_id)s
        and conflict.idempotency_key = others.idempotency_key
        and conflict.xid = others.xid
        and conflict.seq = others.seq
    limit 1
) as conflict on true
cross join lateral (
    select
        case
            when first.seq is null then 'unread'
            when first.xid = others.xid and first.seq = others.seq then 'elsewhere'
            when first.payload_hash = others.payload_hash and first.period_start <> others.period_start then 'elsewhere'
            when first.payload_hash = others.payload_hash then 'repeat'
            when conflict.seq is not null then 'conflict'
            else 'contradicting'
        end as kind
) as known
group by others.position, known.kind
order by others.position, known.kind
