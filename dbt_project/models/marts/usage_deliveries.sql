{{ config(on_conflict='replace') }}

with deliveries as (

    select
        delivery.tenant_id,
        coalesce(own_event.customer_ref, earlier_event.customer_ref) as customer_ref,
        coalesce(own_event.metric, earlier_event.metric) as metric,
        coalesce(own_event.period_start, earlier_event.period_start) as period_start,
        coalesce(own_event.period_end, earlier_event.period_end) as period_end,
        case
            when own_event.seq is not null then own_event.outcome
            when delivery.payload_hash = earlier_event.payload_hash then 'duplicate'
            else 'conflict'
        end as became
    from {{ ref('stg_usage_events') }} as delivery
    -- Almost every delivery is its event's first: joining the two windows finds those at once.
    left join {{ ref('int_usage_events_deduplicated') }} as own_event
        on delivery.xid = own_event.xid
        and delivery.seq = own_event.seq
        and {{ landed_in_window('own_event') }}
    -- The limit keeps this one probe of the primary key per repeat, whatever the planner guesses: never a scan of history.
    left join lateral (
        select *
        from {{ ref('int_usage_events_deduplicated') }} as event
        where own_event.seq is null
            and event.tenant_id = delivery.tenant_id
            and event.idempotency_key = delivery.idempotency_key
        limit 1
    ) as earlier_event on true
    where {{ landed_in_window('delivery') }}

),

fresh as (

    select
        tenant_id,
        customer_ref,
        metric,
        period_start,
        max(period_end) as period_end,
        count(*) as deliveries,
        count(*) filter (where became not in ('duplicate', 'conflict')) as events,
        count(*) filter (where became = 'duplicate') as duplicates,
        count(*) filter (where became = 'conflict') as conflicts,
        count(*) filter (where became = 'late') as late_events,
        count(*) filter (where became = 'counted') as counted_events,
        count(*) filter (where became not in ('duplicate', 'conflict', 'late', 'counted')) as left_out_events
    from deliveries
    group by 1, 2, 3, 4

)

select
    fresh.tenant_id,
    fresh.customer_ref,
    fresh.metric,
    fresh.period_start,
    greatest(known.period_end, fresh.period_end) as period_end,
    coalesce(known.deliveries, 0) + fresh.deliveries as deliveries,
    coalesce(known.events, 0) + fresh.events as events,
    coalesce(known.duplicates, 0) + fresh.duplicates as duplicates,
    coalesce(known.conflicts, 0) + fresh.conflicts as conflicts,
    coalesce(known.late_events, 0) + fresh.late_events as late_events,
    coalesce(known.counted_events, 0) + fresh.counted_events as counted_events,
    coalesce(known.left_out_events, 0) + fresh.left_out_events as left_out_events
from fresh
left join lateral (
    select *
    from {{ this }} as stored
    where stored.tenant_id = fresh.tenant_id
        and stored.customer_ref = fresh.customer_ref
        and stored.metric = fresh.metric
        and stored.period_start = fresh.period_start
    limit 1
) as known on true
