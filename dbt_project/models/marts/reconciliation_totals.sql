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

    select
        tenant_id,
        account,
        livemode,
        customer_ref,
        metric,
        count(distinct stripe_customer_id) filter (where ended_at is null) as stripe_customers
    from {{ ref('stg_stripe_subscription_items') }}
    group by 1, 2, 3, 4, 5

),

-- What a final invoice did not bill as counted, and what was billed, credited or written off for it since.
settled as (

    select
        tenant_id,
        account,
        livemode,
        customer_ref,
        metric,
        period_start,
        sum(to_quantity - from_quantity) as quantity,
        sum(amount_minor) as amount,
        -- Of a voided invoice everything is settled anew, from nothing on; credit notes are void with it.
        (array_agg(to_quantity order by seq desc) filter (where basis = 'void'))[1] as void_quantity,
        sum(amount_minor) filter (where kind <> 'credit_note') as void_amount
    from {{ ref('stg_closing_rests') }}
    where state in ('done', 'rejected')
    group by 1, 2, 3, 4, 5, 6

),

pending as (

    select
        tenant_id,
        customer_ref,
        metric,
        period_start,
        count(*) as adjustments,
        sum(amount) as amount,
        min(adjustment_id::text) as adjustment_id
    from {{ ref('stg_adjustments') }}
    where state = 'pending'
    group by 1, 2, 3, 4

),

conflicting as (

    select
        conflict.tenant_id,
        conflict.first_customer_ref as customer_ref,
        conflict.first_metric as metric,
        conflict.first_period_start as period_start,
        count(*) as deliveries,
        min(conflict.idempotency_key) as an_idempotency_key
    from {{ ref('int_usage_events_conflicts') }} as conflict
    left join {{ ref('stg_conflict_decisions') }} as decision using (tenant_id, idempotency_key, xid, seq)
    where decision.decision is null
    group by 1, 2, 3, 4

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
    coalesce(meter.epsilon, tenant.epsilon, 0) as epsilon,
    coalesce(mapping.active, false) as is_mapped,
    lines.livemode is not null as is_known_to_stripe,
    same_moment.holds as is_one_moment,
    stripe_totals.invoice_read_at,
    stripe_totals.invoice_absent_at,
    stripe_totals.invoice_item_ids,
    stripe_totals.invoice_price_ids,
    stripe_totals.invoice_line_count,
    stripe_totals.invoice_starts_at,
    stripe_totals.invoice_ends_at,
    stripe_totals.invoice_finalizes_at,
    coalesce(items.stripe_customers, 0) as stripe_customers,
    case
        when period.period_end is null then stripe_totals.period_end is not null
        else coalesce(counters.period_end = period.period_end, true)
    end as is_billing_period,
    -- Whatever part of our deltas a summary shows so far, it lies between these two.
    coalesce(pushes.told_upwards, 0) as told_upwards,
    coalesce(pushes.told_downwards, 0) as told_downwards,
    pushes.confirmed_values,
    coalesce(
        case when stripe_totals.invoice_status = 'void' then settled.void_quantity - stripe_totals.invoice_quantity end,
        settled.quantity,
        0
    ) as settled_quantity,
    coalesce(
        case
            when stripe_totals.invoice_status = 'void' and settled.void_quantity is not null
                then settled.void_amount - stripe_totals.invoice_amount
        end,
        settled.amount,
        0
    ) as settled_amount,
    -- What the invoice's line should show: of one that bills several segments of a period, these together.
    case when spanned.segments > 1 then spanned.quantity else coalesce(counters.value, 0) end as billable_quantity,
    case when spanned.segments > 1 then spanned.segments else 1 end as billed_segments,
    priced.quantity as priced_quantity,
    priced.amount as priced_amount,
    priced.invoice_quantity as priced_invoice_quantity,
    priced.expected_amount,
    priced.rounded_parts,
    priced.currency as priced_currency,
    priced.price_id,
    priced.fault as price_fault,
    finding.code as finding_code,
    coalesce(finding.checks, 0) as checks,
    finding.first_seen_at,
    tenant.lag_budget,
    coalesce(pending.adjustments, 0) as pending_adjustments,
    pending.amount as pending_amount,
    pending.adjustment_id as pending_adjustment_id,
    coalesce(conflicting.deliveries, 0) as open_conflicts,
    conflicting.an_idempotency_key as conflicting_key
from lines
cross join same_moment
left join counters using (tenant_id, customer_ref, metric, period_start)
left join deliveries using (tenant_id, customer_ref, metric, period_start)
left join pushes using (tenant_id, account, livemode, customer_ref, metric, period_start)
left join stripe_totals using (tenant_id, account, livemode, customer_ref, metric, period_start)
left join items using (tenant_id, account, livemode, customer_ref, metric)
left join settled using (tenant_id, account, livemode, customer_ref, metric, period_start)
left join {{ ref('stg_priced_lines') }} as priced using (tenant_id, account, livemode, customer_ref, metric, period_start)
left join {{ ref('stg_reconciliation_findings') }} as finding
    using (tenant_id, account, livemode, customer_ref, metric, period_start)
left join pending using (tenant_id, customer_ref, metric, period_start)
left join conflicting using (tenant_id, customer_ref, metric, period_start)
left join {{ ref('stg_price_mappings') }} as mapping using (tenant_id, metric)
left join {{ ref('stg_meters') }} as meter using (tenant_id, metric)
left join {{ ref('stg_tenants') }} as tenant using (tenant_id)
left join {{ ref('stg_customer_periods') }} as period
    on lines.tenant_id = period.tenant_id
    and lines.customer_ref = period.customer_ref
    and lines.period_start = period.period_start
-- Only a segment can share its line with others: for every other line this reads nothing. A minute is no difference.
left join lateral (
    select
        count(*) as segments,
        sum(coalesce(segment_counter.value, 0)) as quantity
    from {{ ref('stg_customer_periods') }} as segment
    left join counters as segment_counter
        on segment.tenant_id = segment_counter.tenant_id
        and segment.customer_ref = segment_counter.customer_ref
        and segment.period_start = segment_counter.period_start
        and segment_counter.metric = lines.metric
    where period.closes_with is not null
        and segment.tenant_id = lines.tenant_id
        and segment.customer_ref = lines.customer_ref
        and segment.closes_with = period.closes_with
        and segment.period_start >= stripe_totals.invoice_starts_at - interval '1 minute'
        and segment.period_end <= stripe_totals.invoice_ends_at + interval '1 minute'
) as spanned on true
