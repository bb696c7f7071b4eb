{{ config(materialized='view') }}

with counters as (

    select * from {{ ref('usage_counters') }}

),

deliveries as (

    select * from {{ ref('usage_deliveries') }}

),

pushes as (

    select * from {{ ref('stg_push_ledger') }}

),

stripe_totals as (

    select * from {{ ref('stg_stripe_totals') }}

),

items as (

    select distinct
        tenant_id,
        account,
        livemode,
        customer_ref,
        metric
    from {{ ref('stg_stripe_subscription_items') }}

),

counted as (

    select tenant_id, customer_ref, metric, period_start from counters
    union
    select tenant_id, customer_ref, metric, period_start from deliveries

),

-- A counter stands once per Stripe account and mode that knows its customer and metric.
known_to_stripe as (

    select tenant_id, customer_ref, metric, period_start, account, livemode from pushes
    union
    select tenant_id, customer_ref, metric, period_start, account, livemode from stripe_totals
    union
    select
        counted.tenant_id,
        counted.customer_ref,
        counted.metric,
        counted.period_start,
        items.account,
        items.livemode
    from counted
    inner join items using (tenant_id, customer_ref, metric)

),

lines as (

    select
        tenant_id,
        customer_ref,
        metric,
        period_start,
        known_to_stripe.account,
        known_to_stripe.livemode
    from counted
    full join known_to_stripe using (tenant_id, customer_ref, metric, period_start)

),

-- Counts of two models can be compared when both have read the same landed rows; between two models of a tick they have not.
same_moment as (

    select count(distinct read_to) = 1 as holds
    from {{ ref('stg_model_bounds') }}
    where model in ('ledger.int_usage_counters', 'marts.usage_deliveries')

)

select
    lines.tenant_id,
    coalesce(lines.account, mapping.account) as account,
    lines.livemode,
    lines.customer_ref,
    lines.metric,
    lines.period_start,
    coalesce(counters.period_end, pushes.period_end, stripe_totals.period_end, deliveries.period_end) as period_end,
    counters.aggregation,
    counters.unit,
    coalesce(deliveries.deliveries, 0) as deliveries,
    coalesce(deliveries.duplicates, 0) as duplicates,
    coalesce(deliveries.conflicts, 0) as conflicts,
    coalesce(deliveries.late_events, 0) as late_events,
    coalesce(deliveries.counted_events, 0) as expected_event_count,
    coalesce(counters.event_count, 0) as event_count,
    counters.value as local_quantity,
    -- The push ledger is complete: no intent means that nothing was sent. Stripe's numbers stay null until they are read.
    coalesce(pushes.confirmed_quantity, 0) as sent_quantity,
    coalesce(pushes.in_flight_quantity, 0) as in_flight_quantity,
    coalesce(pushes.told_quantity, 0) as told_quantity,
    coalesce(pushes.void_intents, 0) as void_intents,
    pushes.open_state,
    pushes.last_confirmed_at,
    stripe_totals.summary_quantity as stripe_quantity,
    stripe_totals.summary_read_at,
    stripe_totals.invoice_id,
    stripe_totals.invoice_line_id,
    stripe_totals.invoice_status,
    stripe_totals.invoice_quantity,
    stripe_totals.invoice_amount,
    stripe_totals.invoice_currency,
    coalesce(tenant.epsilon, 0) as epsilon,
    coalesce(mapping.active, false) as is_mapped,
    lines.livemode is not null as is_known_to_stripe,
    same_moment.holds as is_one_moment
from lines
cross join same_moment
left join counters using (tenant_id, customer_ref, metric, period_start)
left join deliveries using (tenant_id, customer_ref, metric, period_start)
left join pushes using (tenant_id, account, livemode, customer_ref, metric, period_start)
left join stripe_totals using (tenant_id, account, livemode, customer_ref, metric, period_start)
left join {{ ref('stg_price_mappings') }} as mapping using (tenant_id, metric)
left join {{ ref('stg_tenants') }} as tenant using (tenant_id)
