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

),

gathered as (

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

),

judged as (

    select
        gathered.*,
        counted.quantity as counted_quantity,
        -- Integrity: what was told, or may have been, is what was counted. Exact.
        case
            when not is_mapped or not is_known_to_stripe then 'unmapped'
            when event_count > 0 and local_quantity is null then 'break'
            when is_one_moment and event_count <> expected_event_count then 'break'
            when told_quantity <> counted.quantity then 'break'
            else 'ok'
        end as integrity_verdict,
        -- Delivery: Stripe's total is what it confirmed. Exact; undecided while an intent is open.
        case
            when not is_mapped or not is_known_to_stripe then 'unmapped'
            when stripe_quantity is null then 'missing'
            when open_state is not null and stripe_quantity in (sent_quantity, sent_quantity + in_flight_quantity) then 'missing'
            when open_state is not null or stripe_quantity <> sent_quantity then 'break'
            else 'ok'
        end as delivery_verdict,
        -- Business: what the customer is billed for is what was counted, within epsilon. Stripe bills a negative total as 0.
        case
            when not is_mapped or not is_known_to_stripe then 'unmapped'
            when not {{ agrees_within_epsilon('counted.quantity', 'stripe_quantity') }} then 'break'
            when not {{ agrees_within_epsilon('greatest(counted.quantity, 0)', 'invoice_quantity') }} then 'break'
            when stripe_quantity is null or invoice_quantity is null then 'missing'
            else 'ok'
        end as business_verdict
    from gathered
    -- No counter means that nothing was counted; a counter without a value is broken above, never zero.
    cross join lateral (select coalesce(local_quantity, 0) as quantity) as counted

),

explained as (

    select
        *,
        case
            when 'unmapped' in (integrity_verdict, delivery_verdict, business_verdict) then 'unmapped'
            when 'break' in (integrity_verdict, delivery_verdict, business_verdict) then 'break'
            when 'missing' in (integrity_verdict, delivery_verdict, business_verdict) then 'missing'
            else 'ok'
        end as verdict,
        {{ likely_cause() }} as cause
    from judged

)

select
    tenant_id,
    account,
    livemode,
    customer_ref,
    metric,
    period_start,
    period_end,
    aggregation,
    unit,
    deliveries,
    duplicates,
    conflicts,
    late_events,
    event_count,
    local_quantity,
    sent_quantity,
    in_flight_quantity,
    stripe_quantity,
    invoice_id,
    invoice_line_id,
    invoice_status,
    invoice_quantity,
    invoice_amount,
    invoice_currency,
    spread.drift,
    case
        when spread.drift = 0 then 0
        else spread.drift / greatest(abs(local_quantity), abs(sent_quantity), abs(stripe_quantity), abs(invoice_quantity))
    end as drift_ratio,
    epsilon,
    integrity_verdict,
    delivery_verdict,
    business_verdict,
    verdict,
    cause,
    case
        when late_events > 0 then late_events || ' late events are not in the counter: `tally adjustments list` shows what was decided'
    end as note
from explained
-- The greatest and least of several numbers leave nulls out: a total that was not read does not narrow the drift to zero.
cross join lateral (
    select
        case
            when num_nonnulls(local_quantity, stripe_quantity, invoice_quantity) > 0 then
                greatest(
                    greatest(local_quantity, sent_quantity, stripe_quantity) - least(local_quantity, sent_quantity, stripe_quantity),
                    abs(invoice_quantity - greatest(counted_quantity, 0))
                )
        end as drift
) as spread
