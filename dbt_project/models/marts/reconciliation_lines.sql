{{ config(materialized='view') }}

with totals as (

    select
        totals.*,
        -- No counter means that nothing was counted; a counter without a value is broken below, never zero.
        coalesce(totals.local_quantity, 0) as counted_quantity,
        -- Stripe bills a negative total as 0.
        greatest(coalesce(totals.billable_quantity, totals.local_quantity, 0), 0) as invoice_due,
        case when totals.priced_quantity = totals.billable_quantity then totals.priced_amount end as local_amount,
        -- No part of what we sent adds up to this: Stripe's total has something else in it, and no delay explains that.
        stripe_quantity > greatest(told_upwards, told_quantity, sent_quantity)
        or stripe_quantity < least(told_downwards, told_quantity, sent_quantity) as is_out_of_reach
    from {{ ref('reconciliation_totals') }} as totals

),

delivered as (

    select
        *,
        -- Integrity: what was told, or may have been, is what was counted, but for what was settled after the invoice. Exact.
        case
            when not is_mapped or not is_known_to_stripe then 'unmapped'
            when event_count > 0 and local_quantity is null then 'break'
            when is_one_moment and event_count <> expected_event_count then 'break'
            when counted_quantity in (told_quantity, told_quantity + settled_quantity) then 'ok'
            when {{ untold_is_proof() }} then 'break'
            else 'missing'
        end as integrity_verdict,
        -- Delivery: Stripe's total is what it confirmed. Exact; undecided while an intent is open or a reading proves nothing.
        case
            when not is_mapped or not is_known_to_stripe then 'unmapped'
            when stripe_quantity is null then 'missing'
            when settled_quantity <> 0 and open_state is null and stripe_quantity + settled_quantity = sent_quantity then 'ok'
            when is_out_of_reach then 'break'
            when open_state is not null and stripe_quantity in (sent_quantity, sent_quantity + in_flight_quantity) then 'missing'
            when open_state is null and stripe_quantity = sent_quantity then 'ok'
            when summary_read_at < last_confirmed_at then 'missing'
            when {{ reading_is_proof('summary_read_at') }} then 'break'
            else 'missing'
        end as delivery_verdict
    from totals

),

billed as (

    select
        *,
        -- Business: what the customer is billed for is what was counted, within epsilon. A total that lags proves nothing.
        case
            when not is_mapped or not is_known_to_stripe then 'unmapped'
            when {{ is_final_invoice() }}
                and not {{ agrees_within_epsilon('invoice_due', '(invoice_quantity + settled_quantity)') }} then 'break'
            when 'missing' in (integrity_verdict, delivery_verdict)
                and not coalesce({{ agrees_within_epsilon('counted_quantity', 'stripe_quantity') }}, false) then 'missing'
            when settled_quantity = 0 and not {{ agrees_within_epsilon('counted_quantity', 'stripe_quantity') }} then 'break'
            when not {{ agrees_within_epsilon('invoice_due', '(invoice_quantity + settled_quantity)') }} then
                case
                    when integrity_verdict = 'missing' then 'missing'
                    when invoice_status in ('preview', 'draft') and not {{ reading_is_proof('invoice_read_at') }} then 'missing'
                    else 'break'
                end
            when stripe_quantity is null or invoice_quantity is null then 'missing'
            else 'ok'
        end as business_verdict,
        -- The price is tried on the quantity that Stripe itself billed: what differs then is the price, not the usage.
        invoice_amount is not null and priced_invoice_quantity = invoice_quantity and (
            invoice_currency <> priced_currency
            or abs(invoice_amount - expected_amount) > coalesce(rounded_parts, 1)
            or (price_id is not null and not invoice_price_ids @> array[price_id])
        ) as is_price_off
    from delivered

),

judged as (

    select
        *,
        -- Money: the invoice's amount is what its quantity costs, but for rounding, and what was counted costs, within epsilon.
        case
            when not is_mapped or not is_known_to_stripe then 'unmapped'
            when invoice_amount is null or priced_quantity is null or price_fault is not null then 'missing'
            when is_price_off then 'break'
            when local_amount is null or (priced_invoice_quantity is distinct from invoice_quantity) then 'missing'
            when business_verdict <> 'ok' then business_verdict
            when abs(local_amount - (invoice_amount + settled_amount)) <= coalesce(rounded_parts, 1)
                or {{ agrees_within_epsilon('local_amount', '(invoice_amount + settled_amount)') }} then 'ok'
            else 'break'
        end as money_verdict,
        -- Who else, but ourselves a second time, would send exactly what we sent?
        is_out_of_reach and (
            stripe_quantity = 2 * sent_quantity
            or coalesce(stripe_quantity - sent_quantity = any(confirmed_values), false)
        ) as is_double
    from billed

),

explained as (

    select
        *,
        case
            when 'unmapped' in (integrity_verdict, delivery_verdict, business_verdict, money_verdict) then 'unmapped'
            when 'break' in (integrity_verdict, delivery_verdict, business_verdict, money_verdict) then 'break'
            when 'missing' in (integrity_verdict, delivery_verdict, business_verdict, money_verdict) then 'missing'
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
    -- What a person should know although it is no break: each note begins with its code, as a cause does.
    nullif(concat_ws(
        '; ',
        case
            when late_events > 0 and pending_adjustments > 0
                then 'late events: ' || late_events || ' are not in the counter, adjustment ' || pending_adjustment_id
                    || ' of ' || pending_amount || ' waits for a person'
            when late_events > 0
                then 'late events: ' || late_events || ' are not in the counter, `tally adjustments list` shows what was decided'
        end,
        case
            when open_conflicts > 0
                then 'conflict: ' || open_conflicts || ' deliveries have another payload than the one that counts, such as '
                    || conflicting_key
        end,
        case
            when
                verdict = 'ok'
                and local_amount <> invoice_amount + settled_amount
                and invoice_due = invoice_quantity + settled_quantity
                then 'rounding: billed ' || invoice_amount || ', we round to ' || local_amount
                    || ' in ' || rounded_parts || ' parts'
        end,
        case
            when billed_segments > 1
                then 'one line for ' || billed_segments || ' segments: Stripe bills them together, '
                    || billable_quantity || ' counted'
        end,
        case
            when settled_quantity <> 0
                then 'settled: ' || settled_quantity || ' billed, credited or written off after the invoice'
        end
    ), '') as note,
    money_verdict,
    local_amount,
    local_amount - (invoice_amount + settled_amount) as amount_drift,
    price_id,
    invoice_price_ids,
    settled_quantity,
    billed_segments,
    invoice_due,
    case
        when verdict in ('ok', 'unmapped') then null
        when verdict = 'missing' then 'waiting'
        when delivery_verdict = 'break' and is_out_of_reach then 'critical'
        when {{ is_final_invoice() }} then 'critical'
        when tally.now() >= {{ finalizes_at() }} - interval '{{ var('hours_before_finalization', 6) }} hours' then 'critical'
        else 'error'
    end as severity,
    case when verdict in ('break', 'missing') and finding_code = split_part(cause, ':', 1) then checks else 0 end as checks,
    case when verdict in ('break', 'missing') then first_seen_at end as first_seen_at,
    summary_read_at,
    invoice_read_at,
    {{ is_final_invoice() }} as is_final,
    rounded_parts,
    verdict = 'missing'
    and num_nulls(stripe_quantity, invoice_quantity, invoice_amount) = 0
    and price_fault is null
    and tally.now() < {{ finalizes_at() }} - interval '{{ var('hours_before_finalization', 6) }} hours' as is_settling
from explained
-- The greatest and least of several numbers leave nulls out: a total that was not read does not narrow the drift to zero.
cross join lateral (
    select
        case
            when num_nonnulls(local_quantity, stripe_quantity, invoice_quantity) > 0 then
                greatest(
                    greatest(local_quantity, sent_quantity, stripe_quantity)
                    - least(local_quantity, sent_quantity, stripe_quantity),
                    abs(invoice_quantity - invoice_due)
                )
        end as drift
) as spread
