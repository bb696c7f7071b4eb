-- Rule: the events that marts.invoice_line_events gives for a line, aggregated as its meter says, and the adjustments booked into
-- its period are the counter that it bills.
-- Relies on it: whoever asks what an invoice line is made of. At stake: an answer that leaves usage out, or has too much.
-- Does not claim: the value of a gauge, which depends on what it held before; its readings are counted.
with linked as (

    select
        tenant_id,
        account,
        livemode,
        customer_ref,
        metric,
        period_start,
        event_time,
        landed_at,
        seq,
        quantity,
        member
    from {{ ref('invoice_line_events') }}
    where via = 'counted'
        and xid < {{ read_to(ref('int_usage_counters')) }}

),

aggregated as (

    select
        linked.tenant_id,
        linked.account,
        linked.livemode,
        linked.customer_ref,
        linked.metric,
        linked.period_start,
        meter.aggregation,
        count(*) as event_count,
        tally.event_value(
            meter.aggregation, null, meter.divide_by, count(*), sum(linked.quantity), min(linked.quantity), max(linked.quantity),
            (array_agg(linked.quantity order by linked.event_time desc, linked.landed_at desc, linked.seq desc))[1],
            case when meter.aggregation = 'unique' then count(distinct linked.member) end,
            case
                when meter.aggregation = 'percentile'
                    then (array_agg(linked.quantity order by linked.quantity))[ceil(meter.percentile * count(*))::integer]
            end,
            null
        ) as value
    from linked
    inner join {{ ref('stg_meters') }} as meter
        on linked.tenant_id = meter.tenant_id
        and linked.metric = meter.metric
    group by 1, 2, 3, 4, 5, 6, 7, meter.divide_by, meter.percentile

),

booked as (

    select
        tenant_id,
        customer_ref,
        metric,
        booked_start as period_start,
        sum(amount) as amount
    from {{ ref('stg_adjustments') }}
    where booked_start is not null
    group by 1, 2, 3, 4

)

select
    line.tenant_id,
    line.account,
    line.livemode,
    line.customer_ref,
    line.metric,
    line.period_start,
    line.invoice_line_id,
    aggregated.event_count as linked_events,
    counters.event_count,
    coalesce(aggregated.value, 0) + coalesce(booked.amount, 0) as linked_value,
    counters.value
from {{ ref('stg_stripe_totals') }} as line
left join {{ ref('usage_counters') }} as counters using (tenant_id, customer_ref, metric, period_start)
left join aggregated using (tenant_id, account, livemode, customer_ref, metric, period_start)
left join booked using (tenant_id, customer_ref, metric, period_start)
where line.invoice_id is not null
    and (
        coalesce(aggregated.event_count, 0) is distinct from coalesce(counters.event_count, 0)
        or (
            counters.aggregation is distinct from 'time_weighted_sum'
            and coalesce(aggregated.value, 0) + coalesce(booked.amount, 0) is distinct from coalesce(counters.value, 0)
        )
    )
