{%- from 'aggregates.sql' import counter_values with context -%}
-- What the late events of counters are worth: value with them, minus value without, minus what was approved for them before.
-- Parameters: tenant_id, and the counters as equally long lists: customers, metrics, starts.
with touched as (
    select %(tenant_id)s::text as tenant_id, customer_ref, metric, period_start
    from unnest(%(customers)s::text[], %(metrics)s::text[], %(starts)s::timestamptz[]) as touched (customer_ref, metric, period_start)
),

-- Rejected and reverted adjustments leave their events out for good; what a conflict's adjustment stands for is in that one.
late as (
    select
        late.*,
        decided.is_new,
        row_number() over (
            partition by late.customer_ref, late.metric, late.period_start
            order by late.event_time desc, late.landed_at desc, late.seq desc
        ) = 1 as is_last
    from touched
    inner join ledger.int_usage_events_late as late using (tenant_id, customer_ref, metric, period_start)
    cross join lateral (
        select
            count(*) = 0 as is_new,
            coalesce(bool_or(adjustment.reason = 'conflict'), false) as is_of_a_conflict,
            coalesce(
                bool_and(adjustment.state in ('rejected', 'reverted')) filter (where adjustment.reason = 'late_events'), false
            ) as is_left_out
        from tally.adjustment_events as link
        inner join tally.adjustments as adjustment using (adjustment_id)
        where link.tenant_id = late.tenant_id and link.idempotency_key = late.idempotency_key
    ) as decided
    where not decided.is_of_a_conflict and not decided.is_left_out
),

-- Materialized, here and below: the planner guesses one row, and would work it out again for every counter.
fresh as materialized (
    select
        customer_ref,
        metric,
        period_start,
        max(period_end) as period_end,
        count(*) as event_count,
        sum(quantity) as quantity_sum,
        min(quantity) as quantity_min,
        max(quantity) as quantity_max,
        max(quantity) filter (where is_last) as last_quantity,
        max(event_time) filter (where is_last) as last_event_time,
        max(landed_at) filter (where is_last) as last_landed_at,
        max(seq) filter (where is_last) as last_seq,
        array_agg(idempotency_key) as keys,
        array_agg(idempotency_key) filter (where is_new) as new_keys
    from late
    group by 1, 2, 3
),

gauges as materialized (
    select customer_ref, metric, period_start, period_end, unit_microseconds, is_carried
    from ledger.int_usage_gauge_counters
    where tenant_id = %(tenant_id)s
),

value_counts as not materialized (
    select tenant_id, customer_ref, metric, period_start, value, events
    from ledger.int_usage_value_counts
    union all
    select tenant_id, customer_ref, metric, period_start, coalesce(member, quantity::text) as value, 1 as events
    from late
),

gauge_readings as not materialized (
    select tenant_id, customer_ref, metric, period_start, event_time, landed_at, seq, quantity
    from ledger.int_usage_gauge_readings
    union all
    select tenant_id, customer_ref, metric, period_start, event_time, landed_at, seq, quantity
    from late
),

merged as (
    select
        touched.tenant_id,
        touched.customer_ref,
        touched.metric,
        touched.period_start,
        coalesce(counter.period_end, gauge.period_end, fresh.period_end) as period_end,
        coalesce(counter.event_count, 0) + coalesce(fresh.event_count, 0) as event_count,
        coalesce(counter.quantity_sum, 0) + coalesce(fresh.quantity_sum, 0) as quantity_sum,
        least(counter.quantity_min, fresh.quantity_min) as quantity_min,
        greatest(counter.quantity_max, fresh.quantity_max) as quantity_max,
        case
            when (counter.last_event_time, counter.last_landed_at, counter.last_seq)
                > (fresh.last_event_time, fresh.last_landed_at, fresh.last_seq)
                or fresh.last_event_time is null
                then counter.last_quantity
            else fresh.last_quantity
        end as last_quantity,
        members.member_count,
        coalesce(opening.last_quantity, 0) as opening_quantity,
        case
            when counter.event_count is null and gauge.is_carried is null then 0
            else tally.event_value(
                meter.aggregation, meter.time_unit, meter.divide_by,
                counter.event_count, counter.quantity_sum, counter.quantity_min, counter.quantity_max, counter.last_quantity,
                counter.member_count, counter.percentile_quantity, gauge.unit_microseconds
            )
        end as value_without,
        coalesce(fresh.keys, '{}') as keys,
        coalesce(fresh.new_keys, '{}') as new_keys
    from touched
    inner join tally.meters as meter using (tenant_id, metric)
    left join fresh using (customer_ref, metric, period_start)
    left join ledger.int_usage_counters as counter using (tenant_id, customer_ref, metric, period_start)
    left join gauges as gauge using (customer_ref, metric, period_start)
    -- What the gauge held when the period began, also where only late readings are in it.
    left join lateral (
        select earlier.last_quantity
        from ledger.int_usage_counters as earlier
        where earlier.tenant_id = touched.tenant_id
            and earlier.customer_ref = touched.customer_ref
            and earlier.metric = touched.metric
            and earlier.period_start < touched.period_start
        order by earlier.period_start desc
        limit 1
    ) as opening on meter.aggregation = 'time_weighted_sum'
    left join lateral (
        select count(distinct value) as member_count
        from value_counts as stored
        where
            meter.aggregation = 'unique'
            and stored.tenant_id = touched.tenant_id
            and stored.customer_ref = touched.customer_ref
            and stored.metric = touched.metric
            and stored.period_start = touched.period_start
    ) as members on true
),

valued as (
    {{ counter_values('merged') }}
)

select
    merged.customer_ref,
    merged.metric,
    merged.period_start,
    coalesce(merged.period_end, pending.period_end) as period_end,
    trim_scale(round(valued.value - merged.value_without - approved.amount, 12)) as amount,
    merged.keys,
    merged.new_keys,
    pending.adjustment_id::text as pending_id,
    pending.amount as pending_amount,
    -- Between two models of a tick the counters and the late events are not of one moment.
    (
        select count(distinct bound.read_to) <= 1
        from tally.model_bounds as bound
        where bound.model in (
            'ledger.int_usage_events_late',
            'ledger.int_usage_counters',
            'ledger.int_usage_value_counts',
            'ledger.int_usage_gauge_readings'
        )
    ) as is_one_moment
from merged
inner join valued using (tenant_id, customer_ref, metric, period_start)
cross join lateral (
    select coalesce(sum(adjustment.amount), 0) as amount
    from tally.adjustments as adjustment
    where adjustment.tenant_id = merged.tenant_id
        and adjustment.customer_ref = merged.customer_ref
        and adjustment.metric = merged.metric
        and adjustment.period_start = merged.period_start
        and adjustment.reason = 'late_events'
        and adjustment.state = 'approved'
) as approved
left join tally.adjustments as pending
    on merged.tenant_id = pending.tenant_id
    and merged.customer_ref = pending.customer_ref
    and merged.metric = pending.metric
    and merged.period_start = pending.period_start
    and pending.reason = 'late_events'
    and pending.state = 'pending'
order by merged.customer_ref, merged.metric, merged.period_start
