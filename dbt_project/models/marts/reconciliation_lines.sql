{{ config(materialized='view') }}

with judged as (

    select
        totals.*,
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
    from {{ ref('reconciliation_totals') }} as totals
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
        when late_events > 0
            then late_events || ' late events are not in the counter: `tally adjustments list` shows what was decided'
    end as note
from explained
-- The greatest and least of several numbers leave nulls out: a total that was not read does not narrow the drift to zero.
cross join lateral (
    select
        case
            when num_nonnulls(local_quantity, stripe_quantity, invoice_quantity) > 0 then
                greatest(
                    greatest(local_quantity, sent_quantity, stripe_quantity)
                    - least(local_quantity, sent_quantity, stripe_quantity),
                    abs(invoice_quantity - greatest(counted_quantity, 0))
                )
        end as drift
) as spread
