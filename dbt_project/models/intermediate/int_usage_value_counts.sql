{{ config(on_conflict='replace', indexes=[{'columns': ['first_xid']}]) }}

with measured as (

    select
        event.tenant_id,
        event.customer_ref,
        event.metric,
        event.period_start,
        case when meter.aggregation = 'unique' then event.member else event.quantity::text end as value,
        event.xid
    from {{ ref('int_usage_events_deduplicated') }} as event
    inner join {{ ref('stg_meters') }} as meter
        on event.tenant_id = meter.tenant_id
        and event.metric = meter.metric
    where {{ landed_in_window('event') }}
        and event.outcome = 'counted'
        and meter.aggregation in ('unique', 'percentile')

),

fresh as (

    select
        tenant_id,
        customer_ref,
        metric,
        period_start,
        value,
        count(*) as events,
        min(xid) as first_xid
    from measured
    group by 1, 2, 3, 4, 5

)

select
    fresh.tenant_id,
    fresh.customer_ref,
    fresh.metric,
    fresh.period_start,
    fresh.value,
    coalesce(known.events, 0) + fresh.events as events,
    coalesce(known.first_xid, fresh.first_xid) as first_xid
from fresh
left join lateral (
    select events, first_xid
    from {{ this }} as stored
    where stored.tenant_id = fresh.tenant_id
        and stored.customer_ref = fresh.customer_ref
        and stored.metric = fresh.metric
        and stored.period_start = fresh.period_start
        and stored.value = fresh.value
    limit 1
) as known on true
