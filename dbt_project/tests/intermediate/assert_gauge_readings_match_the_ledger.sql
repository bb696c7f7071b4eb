-- Rule: the readings of every gauge are the counted events of its metric, each with its quantity.
-- Relies on it: time-weighted counters, which read nothing else.
-- At stake: all that is billed between a lost reading and the next one.
with counted_events as (

    select event.*
    from {{ ref('int_usage_events_deduplicated') }} as event
    inner join {{ ref('stg_meters') }} as meter
        on event.tenant_id = meter.tenant_id
        and event.metric = meter.metric
    where event.outcome = 'counted'
        and event.xid < {{ read_to(ref('int_usage_gauge_readings')) }}
        and meter.aggregation = 'time_weighted_sum'

)

select
    tenant_id,
    customer_ref,
    metric,
    period_start,
    event_time,
    counted_events.quantity as ledger_quantity,
    readings.quantity
from counted_events
full join {{ ref('int_usage_gauge_readings') }} as readings
    using (tenant_id, customer_ref, metric, period_start, event_time, landed_at, seq)
where (counted_events.quantity, counted_events.xid) is distinct from (readings.quantity, readings.xid)
