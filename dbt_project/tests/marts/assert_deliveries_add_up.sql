-- Rule: per tenant and landing day, deliveries = events + duplicates + conflicts; over all days, those of the counters.
-- Relies on it: the reconciliation's first columns. At stake: a delivery that became neither usage, nor a repeat, nor a conflict.
with landed as (

    select
        tenant_id,
        (landed_at at time zone 'UTC')::date as day,
        count(*) as deliveries,
        count(*) filter (where event.is_first) as events,
        count(*) filter (where not event.is_first and event.is_same) as duplicates,
        count(*) filter (where not event.is_first and not event.is_same) as conflicts
    from {{ ref('stg_usage_events') }} as delivery
    left join lateral (
        select
            (first_delivery.xid, first_delivery.seq) = (delivery.xid, delivery.seq) as is_first,
            first_delivery.payload_hash = delivery.payload_hash as is_same
        from {{ ref('int_usage_events_deduplicated') }} as first_delivery
        where first_delivery.tenant_id = delivery.tenant_id
            and first_delivery.idempotency_key = delivery.idempotency_key
    ) as event on true
    where xid < {{ read_to(ref('usage_deliveries')) }}
    group by 1, 2

),

counted as (

    select
        tenant_id,
        sum(deliveries) as deliveries,
        sum(events) as events,
        sum(duplicates) as duplicates,
        sum(conflicts) as conflicts,
        bool_and(deliveries = events + duplicates + conflicts) as adds_up,
        bool_and(events = counted_events + late_events + left_out_events) as events_add_up
    from {{ ref('usage_deliveries') }}
    group by tenant_id

),

over_all_days as (

    select
        tenant_id,
        sum(deliveries) as deliveries,
        sum(events) as events,
        sum(duplicates) as duplicates,
        sum(conflicts) as conflicts
    from (
        select tenant_id, deliveries, events, duplicates, conflicts from landed
        union all
        -- Days whose landed rows are archived, as they were when they went.
        select tenant_id, deliveries, events, duplicates, conflicts from {{ source('tally', 'detached_deliveries') }}
    ) as landed_or_archived
    group by tenant_id

)

select
    tenant_id,
    day::text as what,
    deliveries,
    events,
    duplicates,
    conflicts
from landed
where deliveries <> events + duplicates + conflicts

union all

select
    tenant_id,
    'all days against the counters'' deliveries' as what,
    over_all_days.deliveries,
    over_all_days.events,
    over_all_days.duplicates,
    over_all_days.conflicts
from over_all_days
full join counted using (tenant_id)
where (over_all_days.deliveries, over_all_days.events, over_all_days.duplicates, over_all_days.conflicts)
    is distinct from (counted.deliveries, counted.events, counted.duplicates, counted.conflicts)
    or (counted.adds_up and counted.events_add_up) is distinct from true
