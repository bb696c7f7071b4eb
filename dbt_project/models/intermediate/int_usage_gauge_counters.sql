{{ config(materialized='view') }}

-- A gauge holds what it last read until it reads something else, across periods: so each period opens with the last reading of an
-- earlier one, and a period that has begun is counted also when nothing was read in it.
with recursive gauges as (

    select
        counters.*,
        coalesce(lag(counters.last_quantity) over series, 0) as opening_quantity,
        lead(counters.period_start) over series as next_start
    from {{ ref('int_usage_counters') }} as counters
    inner join {{ ref('stg_meters') }} as meter
        on counters.tenant_id = meter.tenant_id
        and counters.metric = meter.metric
    where meter.aggregation = 'time_weighted_sum'
    window series as (partition by counters.tenant_id, counters.customer_ref, counters.metric order by counters.period_start)

),

carried as (

    select
        gauges.tenant_id,
        gauges.customer_ref,
        gauges.metric,
        period.period_start,
        period.period_end,
        period.closes_with,
        gauges.last_quantity,
        gauges.newest_xid,
        coalesce(gauges.next_start, tally.now()) as carried_until
    from gauges
    left join {{ ref('stg_tenants') }} as tenant
        on gauges.tenant_id = tenant.tenant_id
    cross join lateral {{ billing_period('gauges.tenant_id', 'gauges.customer_ref', 'gauges.period_end', 'tenant') }} as period
    where gauges.last_quantity <> 0
        and gauges.period_end < coalesce(gauges.next_start, tally.now())

    union all

    select
        carried.tenant_id,
        carried.customer_ref,
        carried.metric,
        period.period_start,
        period.period_end,
        period.closes_with,
        carried.last_quantity,
        carried.newest_xid,
        carried.carried_until
    from carried
    left join {{ ref('stg_tenants') }} as tenant
        on carried.tenant_id = tenant.tenant_id
    cross join lateral {{ billing_period('carried.tenant_id', 'carried.customer_ref', 'carried.period_end', 'tenant') }} as period
    where carried.period_end < carried.carried_until

)

select
    tenant_id,
    customer_ref,
    metric,
    period_start,
    period_end,
    closes_at,
    event_count,
    quantity_sum,
    quantity_min,
    quantity_max,
    last_quantity,
    last_event_time,
    held_unit_microseconds
    + opening_quantity * trim_scale(extract(epoch from first_event_time - period_start) * 1000000) as unit_microseconds,
    opening_quantity,
    false as is_carried,
    newest_xid
from gauges

union all

select
    carried.tenant_id,
    carried.customer_ref,
    carried.metric,
    carried.period_start,
    carried.period_end,
    (carried.closes_with at time zone 'UTC' + meter.lateness_window) at time zone 'UTC' as closes_at,
    0 as event_count,
    0 as quantity_sum,
    null as quantity_min,
    null as quantity_max,
    carried.last_quantity,
    carried.period_start as last_event_time,
    carried.last_quantity * trim_scale(extract(epoch from carried.period_end - carried.period_start) * 1000000)
        as unit_microseconds,
    carried.last_quantity as opening_quantity,
    true as is_carried,
    carried.newest_xid
from carried
inner join {{ ref('stg_meters') }} as meter
    on carried.tenant_id = meter.tenant_id
    and carried.metric = meter.metric
