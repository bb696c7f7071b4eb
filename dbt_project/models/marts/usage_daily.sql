{{ config(materialized='view') }}

with hours as (

    select
        hourly.*,
        (hourly.hour_start at time zone coalesce(tenant.time_zone, 'UTC'))::date as day
    from {{ ref('usage_hourly') }} as hourly
    left join {{ ref('stg_tenants') }} as tenant
        on hourly.tenant_id = tenant.tenant_id

),

days as (

    select
        tenant_id,
        customer_ref,
        metric,
        day,
        dimensions,
        sum(event_count)::bigint as event_count,
        sum(quantity_sum) as quantity_sum,
        min(quantity_min) as quantity_min,
        max(quantity_max) as quantity_max,
        (array_agg(last_quantity order by last_event_time desc, last_landed_at desc, last_seq desc))[1] as last_quantity
    from hours
    group by 1, 2, 3, 4, 5

)

select
    days.tenant_id,
    days.customer_ref,
    days.metric,
    days.day,
    days.dimensions,
    meter.aggregation,
    meter.unit,
    days.event_count,
    days.quantity_sum,
    days.quantity_min,
    days.quantity_max,
    days.last_quantity,
    -- What needs every value of a period does not add up from days: its counter has it.
    tally.event_value(
        meter.aggregation, meter.time_unit, meter.divide_by,
        days.event_count, days.quantity_sum, days.quantity_min, days.quantity_max, days.last_quantity,
        null, null, null
    ) as value
from days
left join {{ ref('stg_meters') }} as meter
    on days.tenant_id = meter.tenant_id
    and days.metric = meter.metric
