-- Rule: every counter, recomputed from the deduplicated events it has read, is the same to the last digit.
-- Relies on it: push and invoice. At stake: the billed quantity itself; counters merge new rows only, this reads them all.
-- Does not claim: that the events are the right ones (assert_the_first_delivery_counts does).
with counted_events as (

    select *
    from {{ ref('int_usage_events_deduplicated') }}
    where not is_late
        and xid < {{ read_to(ref('usage_counters')) }}

),

ranked as (

    select
        *,
        row_number() over (by_counter order by event_time desc, landed_at desc, seq desc) = 1 as is_last,
        row_number() over (by_counter order by aggregation is null, xid desc, seq desc) = 1 as is_rule
    from counted_events
    window by_counter as (partition by tenant_id, customer_ref, metric, period_start)

),

aggregated as (

    select
        tenant_id,
        customer_ref,
        metric,
        period_start,
        max(period_end) as period_end,
        max(closes_at) as closes_at,
        max(aggregation) filter (where is_rule) as aggregation,
        count(*) as event_count,
        sum(quantity) as quantity_sum,
        min(quantity) as quantity_min,
        max(quantity) as quantity_max,
        max(quantity) filter (where is_last) as last_quantity,
        max(event_time) filter (where is_last) as last_event_time,
        max(seq) filter (where is_last) as last_seq,
        max(xid) as newest_xid
    from ranked
    group by 1, 2, 3, 4

),

recomputed as (

    select *, {{ counter_value('aggregated') }} as value from aggregated

)

select
    tenant_id,
    customer_ref,
    metric,
    period_start,
    recomputed.value as ledger_value,
    counters.value,
    recomputed.event_count as ledger_event_count,
    counters.event_count
from recomputed
full join {{ ref('usage_counters') }} as counters using (tenant_id, customer_ref, metric, period_start)
where
    (
        recomputed.period_end, recomputed.closes_at, recomputed.aggregation, recomputed.event_count,
        recomputed.quantity_sum, recomputed.quantity_min, recomputed.quantity_max,
        recomputed.last_quantity, recomputed.last_event_time, recomputed.last_seq, recomputed.value, recomputed.newest_xid
    ) is distinct from (
        counters.period_end, counters.closes_at, counters.aggregation, counters.event_count,
        counters.quantity_sum, counters.quantity_min, counters.quantity_max,
        counters.last_quantity, counters.last_event_time, counters.last_seq, counters.value, counters.newest_xid
    )
