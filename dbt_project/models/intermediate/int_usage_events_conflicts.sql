{{ config(at_the_door=true) }}

select
    delivery.tenant_id,
    delivery.idempotency_key,
    delivery.xid,
    delivery.seq,
    delivery.landed_at,
    delivery.customer_ref,
    delivery.metric,
    delivery.quantity,
    delivery.event_time,
    delivery.properties,
    delivery.payload_hash,
    first_delivery.xid as first_xid,
    first_delivery.seq as first_seq,
    first_delivery.customer_ref as first_customer_ref,
    first_delivery.metric as first_metric,
    first_delivery.quantity as first_quantity,
    first_delivery.event_time as first_event_time,
    first_delivery.period_start as first_period_start
from {{ ref('stg_usage_events') }} as delivery
-- Almost every delivery is its event's first: joining the two windows leaves those out at once.
left join {{ ref('int_usage_events_deduplicated') }} as own_event
    on delivery.xid = own_event.xid
    and delivery.seq = own_event.seq
    and {{ landed_in_window('own_event') }}
-- The limit keeps this one probe of the primary key per repeat, whatever the planner guesses: never a scan of history.
cross join lateral (
    select *
    from {{ ref('int_usage_events_deduplicated') }} as event
    where event.tenant_id = delivery.tenant_id
        and event.idempotency_key = delivery.idempotency_key
    limit 1
) as first_delivery
where {{ landed_in_window('delivery') }}
    and own_event.seq is null
    and delivery.payload_hash <> first_delivery.payload_hash
