-- Rule: every counter, recomputed from the deduplicated events it has read, is the same to the last digit.
-- Relies on it: push and invoice. At stake: the billed quantity itself; counters merge new rows only, this reads them all.
-- Does not claim: that the events are the right ones (assert_the_first_delivery_counts does).
with counted_events as (

    select *
    from {{ ref('int_usage_events_deduplicated') }}
    where outcome = 'counted'
        and xid < {{ read_to(ref('int_usage_counters')) }}

),

ranked as (

    select
        *,
        row_number() over by_counter = 1 as is_last,
        lead(event_time, 1, period_end) over (
            partition by tenant_id, customer_ref, metric, period_start
            order by event_time, landed_at, seq
        ) as holds_until
    from counted_events
    window by_counter as (
        partition by tenant_id, customer_ref, metric, period_start
        order by event_time desc, landed_at desc, seq desc
    )

),

recomputed as (

    select
        ranked.tenant_id,
        ranked.customer_ref,
        ranked.metric,
        ranked.period_start,
        max(ranked.period_end) as period_end,
        max(ranked.closes_at) as closes_at,
        count(*) as event_count,
        sum(ranked.quantity) as quantity_sum,
        min(ranked.quantity) as quantity_min,
        max(ranked.quantity) as quantity_max,
        max(ranked.quantity) filter (where ranked.is_last) as last_quantity,
        max(ranked.event_time) filter (where ranked.is_last) as last_event_time,
        max(ranked.seq) filter (where ranked.is_last) as last_seq,
        case when meter.aggregation = 'unique' then count(distinct ranked.member) end as member_count,
        case
            when meter.aggregation = 'percentile'
                then (array_agg(ranked.quantity order by ranked.quantity))[ceil(meter.percentile * count(*))::integer]
        end as percentile_quantity,
        case
            when meter.aggregation = 'time_weighted_sum'
                then sum(ranked.quantity * trim_scale(extract(epoch from ranked.holds_until - ranked.event_time) * 1000000))
        end as held_unit_microseconds,
        case when meter.aggregation = 'time_weighted_sum' then min(ranked.event_time) end as first_event_time,
        max(ranked.xid) as newest_xid
    from ranked
    left join {{ ref('stg_meters') }} as meter
        on ranked.tenant_id = meter.tenant_id
        and ranked.metric = meter.metric
    group by 1, 2, 3, 4, meter.aggregation, meter.percentile

)

select
    tenant_id,
    customer_ref,
    metric,
    period_start,
    recomputed.event_count as ledger_event_count,
    counters.event_count,
    recomputed.quantity_sum as ledger_quantity_sum,
    counters.quantity_sum
from recomputed
full join {{ ref('int_usage_counters') }} as counters using (tenant_id, customer_ref, metric, period_start)
where
    (
        recomputed.period_end, recomputed.closes_at, recomputed.event_count,
        recomputed.quantity_sum, recomputed.quantity_min, recomputed.quantity_max,
        recomputed.last_quantity, recomputed.last_event_time, recomputed.last_seq,
        recomputed.member_count, recomputed.percentile_quantity,
        recomputed.held_unit_microseconds, recomputed.first_event_time, recomputed.newest_xid
    ) is distinct from (
        counters.period_end, counters.closes_at, counters.event_count,
        counters.quantity_sum, counters.quantity_min, counters.quantity_max,
        counters.last_quantity, counters.last_event_time, counters.last_seq,
        counters.member_count, counters.percentile_quantity,
        counters.held_unit_microseconds, counters.first_event_time, counters.newest_xid
    )
