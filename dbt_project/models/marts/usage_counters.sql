{{ config(materialized='view', at_the_door=true) }}

with aggregated as (

    select
        counters.tenant_id,
        counters.customer_ref,
        counters.metric,
        counters.period_start,
        counters.period_end,
        counters.closes_at,
        counters.event_count,
        counters.quantity_sum,
        counters.quantity_min,
        counters.quantity_max,
        counters.last_quantity,
        counters.last_event_time,
        counters.member_count,
        counters.percentile_quantity,
        null::numeric as unit_microseconds,
        false as is_carried,
        counters.newest_xid
    from {{ ref('int_usage_counters') }} as counters
    left join {{ ref('stg_meters') }} as meter
        on counters.tenant_id = meter.tenant_id
        and counters.metric = meter.metric
    where meter.aggregation is distinct from 'time_weighted_sum'

    union all

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
        null as member_count,
        null as percentile_quantity,
        unit_microseconds,
        is_carried,
        newest_xid
    from {{ ref('int_usage_gauge_counters') }}

),

booked as (

    select
        tenant_id,
        customer_ref,
        metric,
        booked_start,
        max(booked_end) as booked_end,
        sum(amount) as amount,
        max(decided_at) as decided_at
    from {{ ref('stg_adjustments') }}
    where booked_start is not null
    group by 1, 2, 3, 4

),

-- An adjustment may be booked where no event counts.
counters as (

    select
        aggregated.*,
        booked.amount
    from aggregated
    left join booked
        on aggregated.tenant_id = booked.tenant_id
        and aggregated.customer_ref = booked.customer_ref
        and aggregated.metric = booked.metric
        and aggregated.period_start = booked.booked_start

    union all

    select
        booked.tenant_id,
        booked.customer_ref,
        booked.metric,
        booked.booked_start as period_start,
        booked.booked_end as period_end,
        (booked.booked_end at time zone 'UTC' + meter.lateness_window) at time zone 'UTC' as closes_at,
        0 as event_count,
        0 as quantity_sum,
        null as quantity_min,
        null as quantity_max,
        null as last_quantity,
        least(greatest(booked.decided_at, booked.booked_start), booked.booked_end) as last_event_time,
        0 as member_count,
        null as percentile_quantity,
        null as unit_microseconds,
        false as is_carried,
        '0'::xid8 as newest_xid,
        booked.amount
    from booked
    inner join {{ ref('stg_meters') }} as meter
        on booked.tenant_id = meter.tenant_id
        and booked.metric = meter.metric
    where not exists (
        select 1
        from aggregated
        where aggregated.tenant_id = booked.tenant_id
            and aggregated.customer_ref = booked.customer_ref
            and aggregated.metric = booked.metric
            and aggregated.period_start = booked.booked_start
    )

),

valued as (

    select
        counters.*,
        meter.aggregation,
        meter.unit,
        case
            when counters.event_count = 0 and not counters.is_carried then 0
            else tally.event_value(
                meter.aggregation, meter.time_unit, meter.divide_by,
                counters.event_count, counters.quantity_sum, counters.quantity_min, counters.quantity_max, counters.last_quantity,
                counters.member_count, counters.percentile_quantity, counters.unit_microseconds
            )
        end as event_value,
        coalesce(counters.amount, 0) as adjustment
    from counters
    left join {{ ref('stg_meters') }} as meter
        on counters.tenant_id = meter.tenant_id
        and counters.metric = meter.metric

)

select
    tenant_id,
    customer_ref,
    metric,
    period_start,
    period_end,
    closes_at,
    aggregation,
    unit,
    event_count,
    quantity_sum,
    quantity_min,
    quantity_max,
    last_quantity,
    last_event_time,
    event_value,
    adjustment,
    event_value + adjustment as value,
    is_carried,
    newest_xid
from valued
