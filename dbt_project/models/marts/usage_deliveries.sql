{{ config(on_conflict='replace') }}

with fresh as (

    select
        first_delivery.tenant_id,
        first_delivery.customer_ref,
        first_delivery.metric,
        first_delivery.period_start,
        max(first_delivery.period_end) as period_end,
        count(*) as deliveries,
        count(*) filter (where is_first.delivery) as events,
        count(*) filter (where not is_first.delivery and delivery.payload_hash = first_delivery.payload_hash) as duplicates,
        count(*) filter (where not is_first.delivery and delivery.payload_hash <> first_delivery.payload_hash) as conflicts,
        count(*) filter (where is_first.delivery and first_delivery.outcome = 'late') as late_events,
        count(*) filter (where is_first.delivery and first_delivery.outcome = 'counted') as counted_events,
        count(*) filter (where is_first.delivery and first_delivery.outcome not in ('late', 'counted')) as left_out_events
    from {{ ref('stg_usage_events') }} as delivery
    -- The limit keeps this one probe of the primary key per delivery, whatever the planner guesses: never a scan of history.
    cross join lateral (
        select *
        from {{ ref('int_usage_events_deduplicated') }} as event
        where event.tenant_id = delivery.tenant_id
            and event.idempotency_key = delivery.idempotency_key
        limit 1
    ) as first_delivery
    cross join lateral (
        select (delivery.xid, delivery.seq) = (first_delivery.xid, first_delivery.seq) as delivery
    ) as is_first
    where {{ landed_in_window('delivery') }}
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
