{{ config(on_conflict='nothing', indexes=[{'columns': ['xid']}]) }}

with first_deliveries as (

    -- Windows follow xid, so the first delivery within this window is the first ever, unless the key is known already.
    select distinct on (tenant_id, idempotency_key)
        tenant_id,
        idempotency_key,
        customer_ref,
        metric,
        trim_scale(quantity) as quantity,
        event_time,
        landed_at,
        seq,
        xid,
        payload_hash
    from {{ ref('stg_usage_events') }}
    where {{ landed_in_window() }}
    order by tenant_id, idempotency_key, xid, seq

),

dated as (

    select
        event.*,
        meter.aggregation,
        coalesce(meter.lateness_window, interval '48 hours') as lateness_window,
        coalesce(
            period.period_start,
            local_month.starts at time zone coalesce(tenant.time_zone, 'UTC')
        ) as period_start,
        coalesce(
            period.period_end,
            (local_month.starts + interval '1 month') at time zone coalesce(tenant.time_zone, 'UTC')
        ) as period_end
    from first_deliveries as event
    left join {{ ref('stg_tenants') }} as tenant
        on tenant.tenant_id = event.tenant_id
    left join {{ ref('stg_meters') }} as meter
        on meter.tenant_id = event.tenant_id
        and meter.metric = event.metric
    -- At most one row: the table's exclusion constraint forbids overlap.
    left join {{ ref('stg_customer_periods') }} as period
        on period.tenant_id = event.tenant_id
        and period.customer_ref = event.customer_ref
        and period.period_start <= event.event_time
        and period.period_end > event.event_time
    cross join lateral (
        select date_trunc('month', event.event_time at time zone coalesce(tenant.time_zone, 'UTC')) as starts
    ) as local_month

),

closing as (

    select
        *,
        -- In UTC, so that a window of days is whole 24-hour days whatever the session's zone.
        (period_end at time zone 'UTC' + lateness_window) at time zone 'UTC' as closes_at
    from dated

)

select
    tenant_id,
    idempotency_key,
    customer_ref,
    metric,
    quantity,
    event_time,
    landed_at,
    seq,
    xid,
    payload_hash,
    aggregation,
    period_start,
    period_end,
    closes_at,
    landed_at >= closes_at as is_late
from closing
