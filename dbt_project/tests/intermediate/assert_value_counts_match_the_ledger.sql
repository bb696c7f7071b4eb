-- Rule: per counter of a unique or percentile metric, each value has the ledger's events and first transaction.
-- Relies on it: the counters of those metrics, which read nothing else.
-- At stake: seats billed that nobody took, or taken and not billed.
with recomputed as (

    select
        event.tenant_id,
        event.customer_ref,
        event.metric,
        event.period_start,
        case when meter.aggregation = 'unique' then event.member else event.quantity::text end as value,
        count(*) as events,
        min(event.xid) as first_xid
    from {{ ref('int_usage_events_deduplicated') }} as event
    inner join {{ ref('stg_meters') }} as meter
        on event.tenant_id = meter.tenant_id
        and event.metric = meter.metric
    where event.outcome = 'counted'
        and event.xid < {{ read_to(ref('int_usage_value_counts')) }}
        and meter.aggregation in ('unique', 'percentile')
    group by 1, 2, 3, 4, 5

)

select
    tenant_id,
    customer_ref,
    metric,
    period_start,
    value,
    recomputed.events as ledger_events,
    kept.events
from recomputed
full join {{ ref('int_usage_value_counts') }} as kept using (tenant_id, customer_ref, metric, period_start, value)
where (recomputed.events, recomputed.first_xid) is distinct from (kept.events, kept.first_xid)
