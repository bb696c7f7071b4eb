{%- from 'aggregates.sql' import counter_values with context -%}
{%- from 'billing_period.sql' import billing_period with context -%}
{%- from 'event_outcome.sql' import event_outcome, measured with context -%}
-- What a closed counter would have been worth with a conflicting delivery in the place of the event's first one, and what it is
-- worth. Read from the counter's events: no state says what remains of a highest value when it is taken out.
-- Parameters: tenant_id, idempotency_key, xid, seq (of the delivery), now.
with first_event as (
    select * from ledger.int_usage_events_deduplicated
    where tenant_id = %(tenant_id)s and idempotency_key = %(idempotency_key)s
),

-- Dated, measured and filtered as any event; too late it is not, since it takes the place of one that was in time.
replacement as (
    select
        delivery.tenant_id,
        delivery.customer_ref,
        delivery.metric,
        period.period_start,
        delivery.event_time,
        measured.quantity,
        measured.member,
        {{ event_outcome('delivery', 'meter', 'measured', 'closing', 'reversal') }} as outcome
    from (
        select tenant_id, idempotency_key, customer_ref, metric, quantity, event_time, properties, landed_at
        from ledger.int_usage_events_conflicts
        where
            tenant_id = %(tenant_id)s
            and idempotency_key = %(idempotency_key)s
            and xid = %(xid)s::text::xid8
            and seq = %(seq)s
    ) as delivery
    left join tally.tenants as tenant on delivery.tenant_id = tenant.tenant_id
    left join tally.meters as meter on delivery.tenant_id = meter.tenant_id and delivery.metric = meter.metric
    cross join (select 'infinity'::timestamptz as closes_at) as closing
    cross join (select null::text as idempotency_key) as reversal
    cross join lateral {{ measured('delivery', 'meter') }} as measured
    cross join lateral {{ billing_period('delivery.tenant_id', 'delivery.customer_ref', 'delivery.event_time', 'tenant') }} as period
),

placed as (
    select
        replacement.*,
        (replacement.customer_ref, replacement.metric, replacement.period_start)
        = (first_event.customer_ref, first_event.metric, first_event.period_start) as is_same_counter
    from replacement
    cross join first_event
),

counted as (
    select event.*
    from first_event
    inner join ledger.int_usage_events_deduplicated as event using (tenant_id, customer_ref, metric, period_start)
    where event.outcome = 'counted'
),

events as (
    select tenant_id, customer_ref, metric, period_start, event_time, landed_at, seq, quantity, member
    from counted
    where idempotency_key <> %(idempotency_key)s
    union all
    select
        tenant_id, customer_ref, metric, period_start, event_time, %(now)s as landed_at, %(seq)s as seq, quantity, member
    from placed
    where is_same_counter and outcome = 'counted'
),

value_counts as (
    select tenant_id, customer_ref, metric, period_start, quantity::text as value, 1 as events
    from events
),

gauge_readings as (
    select * from events
),

replaced as (
    select
        first_event.tenant_id,
        first_event.customer_ref,
        first_event.metric,
        first_event.period_start,
        first_event.period_end,
        totals.*,
        coalesce(opening.last_quantity, 0) as opening_quantity
    from first_event
    inner join tally.meters as meter using (tenant_id, metric)
    cross join (
        select
            count(*) as event_count,
            coalesce(sum(quantity), 0) as quantity_sum,
            min(quantity) as quantity_min,
            max(quantity) as quantity_max,
            (array_agg(quantity order by event_time desc, landed_at desc, seq desc))[1] as last_quantity,
            count(distinct member) as member_count
        from events
    ) as totals
    left join lateral (
        select earlier.last_quantity
        from ledger.int_usage_counters as earlier
        where earlier.tenant_id = first_event.tenant_id
            and earlier.customer_ref = first_event.customer_ref
            and earlier.metric = first_event.metric
            and earlier.period_start < first_event.period_start
        order by earlier.period_start desc
        limit 1
    ) as opening on meter.aggregation = 'time_weighted_sum'
),

valued as (
    {{ counter_values('replaced') }}
)

select
    trim_scale(round(valued.value - counter.event_value, 12)) as amount,
    placed.is_same_counter,
    (select count(*) from counted) = counter.event_count as is_one_moment
from valued
inner join marts.usage_counters as counter using (tenant_id, customer_ref, metric, period_start)
cross join placed
