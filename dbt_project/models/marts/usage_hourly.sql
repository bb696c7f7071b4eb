{{ config(at_the_door=true, on_conflict='replace') }}

with counted_events as (

    select
        event.tenant_id,
        event.customer_ref,
        event.metric,
        event.period_start,
        -- The hour on the tenant's wall clock; zones are not all whole hours from UTC.
        date_trunc('hour', event.event_time, coalesce(tenant.time_zone, 'UTC')) as hour_start,
        coalesce(event.dimensions, '{}') as dimensions,
        event.quantity,
        event.event_time,
        event.landed_at,
        event.seq
    from {{ ref('int_usage_events_deduplicated') }} as event
    left join {{ ref('stg_tenants') }} as tenant
        on event.tenant_id = tenant.tenant_id
    where {{ landed_in_window('event') }}
        and event.outcome = 'counted'
    -- Kept a step of its own: the planner would work the hour out again wherever it is named.
    offset 0

),

ranked as (

    select
        *,
        row_number() over (
            partition by tenant_id, customer_ref, metric, period_start, hour_start, dimensions
            order by event_time desc, landed_at desc, seq desc
        ) = 1 as is_last
    from counted_events

),

fresh as (

    select
        tenant_id,
        customer_ref,
        metric,
        period_start,
        hour_start,
        dimensions,
        count(*) as event_count,
        sum(quantity) as quantity_sum,
        min(quantity) as quantity_min,
        max(quantity) as quantity_max,
        max(quantity) filter (where is_last) as last_quantity,
        max(event_time) filter (where is_last) as last_event_time,
        max(landed_at) filter (where is_last) as last_landed_at,
        max(seq) filter (where is_last) as last_seq
    from ranked
    group by 1, 2, 3, 4, 5, 6

)

select
    fresh.tenant_id,
    fresh.customer_ref,
    fresh.metric,
    fresh.period_start,
    fresh.hour_start,
    fresh.dimensions,
    coalesce(known.event_count, 0) + fresh.event_count as event_count,
    coalesce(known.quantity_sum, 0) + fresh.quantity_sum as quantity_sum,
    least(known.quantity_min, fresh.quantity_min) as quantity_min,
    greatest(known.quantity_max, fresh.quantity_max) as quantity_max,
    case when known_is_later.so then known.last_quantity else fresh.last_quantity end as last_quantity,
    case when known_is_later.so then known.last_event_time else fresh.last_event_time end as last_event_time,
    case when known_is_later.so then known.last_landed_at else fresh.last_landed_at end as last_landed_at,
    case when known_is_later.so then known.last_seq else fresh.last_seq end as last_seq
from fresh
left join lateral (
    select *
    from {{ this }} as stored
    where stored.tenant_id = fresh.tenant_id
        and stored.customer_ref = fresh.customer_ref
        and stored.metric = fresh.metric
        and stored.period_start = fresh.period_start
        and stored.hour_start = fresh.hour_start
        and stored.dimensions = fresh.dimensions
    limit 1
) as known on true
cross join lateral (
    select
        (known.last_event_time, known.last_landed_at, known.last_seq)
        > (fresh.last_event_time, fresh.last_landed_at, fresh.last_seq) as so
) as known_is_later
