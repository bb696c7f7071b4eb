select
    event.tenant_id,
    event.customer_ref,
    event.metric,
    event.period_start,
    event.event_time,
    event.landed_at,
    event.seq,
    event.quantity,
    event.xid
from {{ ref('int_usage_events_deduplicated') }} as event
inner join {{ ref('stg_meters') }} as meter
    on event.tenant_id = meter.tenant_id
    and event.metric = meter.metric
where {{ landed_in_window('event') }}
    and event.outcome = 'counted'
    and meter.aggregation = 'time_weighted_sum'
