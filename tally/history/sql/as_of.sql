{% from 'billing_period.sql' import billing_period with context -%}
-- The counters as they were known at a moment, counted afresh from the events that had landed before it.
-- Parameters: tenant_id, at, customer_ref, metric, starting_from, starting_before (the last four may be null).
with recursive events as (
    select
        event.customer_ref, event.metric, event.period_start, event.period_end, event.event_time, event.landed_at, event.seq,
        event.quantity, event.member, meter.aggregation, meter.percentile
    from ledger.int_usage_events_deduplicated as event
    inner join tally.meters as meter using (tenant_id, metric)
    left join tally.event_reversals as reversal using (tenant_id, idempotency_key)
    where event.tenant_id = %(tenant_id)s
        and event.landed_at < %(at)s
        and (%(customer_ref)s::text is null or event.customer_ref = %(customer_ref)s)
        and (%(metric)s::text is null or event.metric = %(metric)s)
        -- What was taken out later counted until then, if it did at all.
        and (
            event.outcome = 'counted'
            or (
                event.outcome = 'reversed'
                and reversal.reversed_at >= %(at)s
                and event.landed_at < event.closes_at
                and event.quantity is not null
                and (meter.aggregation <> 'unique' or event.member is not null)
            )
        )
),

aggregated as (
    select
        customer_ref,
        metric,
        period_start,
        max(period_end) as period_end,
        count(*) as event_count,
        sum(quantity) as quantity_sum,
        min(quantity) as quantity_min,
        max(quantity) as quantity_max,
        (
            array_agg(quantity order by event_time desc, landed_at desc, seq desc)
            filter (where aggregation in ('last', 'time_weighted_sum'))
        )[1] as last_quantity,
        count(distinct member) filter (where aggregation = 'unique') as member_count,
        (array_agg(quantity order by quantity) filter (where aggregation = 'percentile'))[
            ceil(max(percentile) * count(*))::integer
        ] as percentile_quantity,
        min(event_time) as first_event_time
    from events
    group by 1, 2, 3
),

held as (
    select customer_ref, metric, period_start, sum(quantity * extract(epoch from holds_until - event_time) * 1000000) as unit_microseconds
    from (
        select
            event.customer_ref, event.metric, event.period_start, event.quantity, event.event_time,
            lead(event.event_time, 1, aggregated.period_end) over (
                partition by event.customer_ref, event.metric, event.period_start
                order by event.event_time, event.landed_at, event.seq
            ) as holds_until
        from events as event
        inner join aggregated using (customer_ref, metric, period_start)
        where event.aggregation = 'time_weighted_sum'
    ) as readings
    group by 1, 2, 3
),

gauges as (
    select
        aggregated.*,
        held.unit_microseconds,
        coalesce(lag(aggregated.last_quantity) over series, 0) as opening_quantity,
        lead(aggregated.period_start, 1, %(at)s) over series as carried_until
    from aggregated
    inner join held using (customer_ref, metric, period_start)
    window series as (partition by aggregated.customer_ref, aggregated.metric order by aggregated.period_start)
),

carried as (
    select
        gauges.customer_ref, gauges.metric, period.period_start, period.period_end, gauges.last_quantity, gauges.carried_until
    from gauges
    left join tally.tenants as tenant on tenant.tenant_id = %(tenant_id)s
    cross join lateral {{ billing_period('%(tenant_id)s', 'gauges.customer_ref', 'gauges.period_end', 'tenant') }} as period
    where gauges.last_quantity <> 0 and gauges.period_end < gauges.carried_until
    union all
    select
        carried.customer_ref, carried.metric, period.period_start, period.period_end, carried.last_quantity, carried.carried_until
    from carried
    left join tally.tenants as tenant on tenant.tenant_id = %(tenant_id)s
    cross join lateral {{ billing_period('%(tenant_id)s', 'carried.customer_ref', 'carried.period_end', 'tenant') }} as period
    where carried.period_end < carried.carried_until
),

counted as (
    select
        customer_ref, metric, period_start, period_end, event_count, quantity_sum, quantity_min, quantity_max, last_quantity,
        member_count, percentile_quantity, null::numeric as unit_microseconds, false as is_carried
    from aggregated
    where not exists (select from gauges where (gauges.customer_ref, gauges.metric) = (aggregated.customer_ref, aggregated.metric))
    union all
    select
        customer_ref, metric, period_start, period_end, event_count, quantity_sum, quantity_min, quantity_max, last_quantity,
        null, null,
        unit_microseconds + opening_quantity * extract(epoch from first_event_time - period_start) * 1000000, false
    from gauges
    union all
    select
        customer_ref, metric, period_start, period_end, 0, 0, null, null, last_quantity, null, null,
        last_quantity * extract(epoch from period_end - period_start) * 1000000, true
    from carried
),

booked as (
    select customer_ref, metric, booked_start as period_start, max(booked_end) as booked_end, sum(amount) as amount
    from tally.adjustments
    where tenant_id = %(tenant_id)s
        and booked_start is not null
        and decided_at < %(at)s
        and (%(customer_ref)s::text is null or customer_ref = %(customer_ref)s)
        and (%(metric)s::text is null or metric = %(metric)s)
    group by 1, 2, 3
)

select
    customer_ref,
    metric,
    period_start,
    coalesce(counted.period_end, booked.booked_end) as period_end,
    meter.aggregation,
    meter.unit,
    coalesce(counted.event_count, 0) as event_count,
    valued.event_value,
    coalesce(booked.amount, 0) as adjustment,
    valued.event_value + coalesce(booked.amount, 0) as value,
    coalesce(counted.is_carried, false) as is_carried
from counted
full join booked using (customer_ref, metric, period_start)
inner join tally.meters as meter using (metric)
cross join lateral (
    select
        case
            when counted.event_count is null then 0
            else tally.event_value(
                meter.aggregation, meter.time_unit, meter.divide_by,
                counted.event_count, counted.quantity_sum, counted.quantity_min, counted.quantity_max, counted.last_quantity,
                counted.member_count, counted.percentile_quantity, counted.unit_microseconds
            )
        end as event_value
) as valued
where meter.tenant_id = %(tenant_id)s
    and (%(starting_from)s::timestamptz is null or period_start >= %(starting_from)s)
    and (%(starting_before)s::timestamptz is null or period_start < %(starting_before)s)
order by customer_ref, metric, period_start
