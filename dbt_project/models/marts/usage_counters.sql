{{ config(on_conflict='replace') }}

-- No join between steps here: what just landed is beyond the planner's statistics, and a join of two steps whose sizes it guesses
-- wrong costs the product of both. One sort, then aggregation; only the counters themselves are looked up, by primary key.
with counted_events as (

    select
        *,
        row_number() over (
            partition by tenant_id, customer_ref, metric, period_start
            order by event_time desc, landed_at desc, seq desc
        ) = 1 as is_last
    from {{ ref('int_usage_events_deduplicated') }}
    where {{ landed_in_window() }}
        and not is_late

),

-- Events of one landing transaction are dated together, so one transaction has one rule per metric: its newest one is well defined.
per_rule as (

    select
        tenant_id,
        customer_ref,
        metric,
        period_start,
        aggregation,
        max(period_end) as period_end,
        max(closes_at) as closes_at,
        count(*) as event_count,
        sum(quantity) as quantity_sum,
        min(quantity) as quantity_min,
        max(quantity) as quantity_max,
        max(quantity) filter (where is_last) as last_quantity,
        max(event_time) filter (where is_last) as last_event_time,
        max(landed_at) filter (where is_last) as last_landed_at,
        max(seq) filter (where is_last) as last_seq,
        max(xid) as newest_xid
    from counted_events
    group by 1, 2, 3, 4, 5

),

totals as (

    select
        tenant_id,
        customer_ref,
        metric,
        period_start,
        max(period_end) as period_end,
        max(closes_at) as closes_at,
        (array_agg(aggregation order by aggregation is null, newest_xid desc))[1] as aggregation,
        sum(event_count)::bigint as event_count,
        sum(quantity_sum) as quantity_sum,
        min(quantity_min) as quantity_min,
        max(quantity_max) as quantity_max,
        max(last_quantity) as last_quantity,
        max(last_event_time) as last_event_time,
        max(last_landed_at) as last_landed_at,
        max(last_seq) as last_seq,
        max(newest_xid) as newest_xid
    from per_rule
    group by 1, 2, 3, 4

),

merged as (

    select
        tenant_id,
        customer_ref,
        metric,
        period_start,
        greatest(known.period_end, totals.period_end) as period_end,
        greatest(known.closes_at, totals.closes_at) as closes_at,
        coalesce(totals.aggregation, known.aggregation) as aggregation,
        coalesce(known.event_count, 0) + totals.event_count as event_count,
        coalesce(known.quantity_sum, 0) + totals.quantity_sum as quantity_sum,
        least(known.quantity_min, totals.quantity_min) as quantity_min,
        greatest(known.quantity_max, totals.quantity_max) as quantity_max,
        case when known_is_later.so then known.last_quantity else totals.last_quantity end as last_quantity,
        case when known_is_later.so then known.last_event_time else totals.last_event_time end as last_event_time,
        case when known_is_later.so then known.last_landed_at else totals.last_landed_at end as last_landed_at,
        case when known_is_later.so then known.last_seq else totals.last_seq end as last_seq,
        totals.newest_xid
    from totals
    left join {{ this }} as known using (tenant_id, customer_ref, metric, period_start)
    -- Null where no counter is known yet: then the fresh one is the last.
    cross join lateral (
        select
            (known.last_event_time, known.last_landed_at, known.last_seq)
            > (totals.last_event_time, totals.last_landed_at, totals.last_seq) as so
    ) as known_is_later

)

select
    merged.tenant_id,
    merged.customer_ref,
    merged.metric,
    merged.period_start,
    merged.period_end,
    merged.closes_at,
    merged.aggregation,
    meter.unit,
    merged.event_count,
    merged.quantity_sum,
    merged.quantity_min,
    merged.quantity_max,
    merged.last_quantity,
    merged.last_event_time,
    merged.last_landed_at,
    merged.last_seq,
    {{ counter_value('merged') }} as value,
    merged.newest_xid
from merged
left join {{ ref('stg_meters') }} as meter
    on meter.tenant_id = merged.tenant_id
    and meter.metric = merged.metric
