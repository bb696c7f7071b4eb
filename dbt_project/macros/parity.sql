{#- Relative difference within the line's epsilon. No absolute allowance: one unit of ten is a break. Null when either is. -#}
{% macro agrees_within_epsilon(left, right) -%}
    abs({{ left }} - {{ right }}) <= epsilon * greatest(abs({{ left }}), abs({{ right }}))
{%- endmacro %}

{#- Nobody changes an invoice in one of these. -#}
{% macro is_final_invoice() -%}
    coalesce(invoice_status in ('open', 'paid', 'void', 'uncollectible'), false)
{%- endmacro %}

{#- When Stripe makes the invoice final by itself; before there is a draft, an hour after the period's end, its default grace. -#}
{% macro finalizes_at() -%}
    coalesce(invoice_finalizes_at, period_end + interval '1 hour')
{%- endmacro %}

{#-
    Stripe's totals follow what it accepted with a delay, and may go backwards: one reading that lacks something proves nothing.
    It does after the lag budget and in two checks in a row; in the last hours before finalization one check is enough.
-#}
{% macro reading_is_proof(read_at) -%}
    (
        {{ read_at }} >= coalesce(last_confirmed_at + lag_budget, '-infinity')
        and (
            checks >= {{ var('checks_before_a_break', 2) }}
            or {{ is_final_invoice() }}
            or tally.now() >= {{ finalizes_at() }} - interval '{{ var('hours_before_finalization', 6) }} hours'
        )
    )
{%- endmacro %}

{#-
    While usage goes on there is always some that was counted and not told yet: pushes follow ticks by a minute. It is a break when
    pushes have stopped: in two checks in a row, and nothing of the counter was confirmed for the lag budget; at once where a
    push would never send it, or was refused, and in the last hours before finalization.
-#}
{% macro untold_is_proof() -%}
    (
        not is_billing_period
        or void_intents > 0
        or {{ is_final_invoice() }}
        or tally.now() >= {{ finalizes_at() }} - interval '{{ var('hours_before_finalization', 6) }} hours'
        or (
            checks >= {{ var('checks_before_a_break', 2) }}
            and tally.now() >= coalesce(last_confirmed_at, first_seen_at, '-infinity') + lag_budget
        )
    )
{%- endmacro %}

{#-
    The likely cause of a line that is not ok, most telling first, with its evidence. The words before the colon are stable:
    tally/reconciliation/mends.py and RECONCILIATION.md say for each what mends it.
-#}
{% macro likely_cause() -%}
    case
        when not is_mapped then 'unmapped: no active price mapping sends this metric to Stripe'
        when not is_known_to_stripe
            then 'unmapped customer: no subscription of this customer has a metered item for this metric; counted ' || counted_quantity
        when delivery_verdict = 'break' and is_out_of_reach and is_double
            then 'double count: Stripe has ' || stripe_quantity || ', confirmed ' || sent_quantity
                || ': the difference is what one of our own deltas says'
        when delivery_verdict = 'break' and is_out_of_reach
            then 'foreign writer: Stripe has ' || stripe_quantity || ', confirmed ' || sent_quantity
                || ': no delta of ours says the difference'
        when event_count > 0 and local_quantity is null then 'undeclared metric: events landed before the metric was declared'
        when integrity_verdict = 'break' and is_one_moment and event_count <> expected_event_count
            then 'lost event: ' || expected_event_count || ' events were delivered in time, the counter holds ' || event_count
        when not is_billing_period and (integrity_verdict <> 'ok' or stripe_quantity is null or business_verdict <> 'ok')
            then 'period mismatch: ' || counted_quantity || ' counted for a period that Stripe does not have for this customer'
        when integrity_verdict = 'break' and void_intents > 0
            then 'refused intent: Stripe refused or never had ' || void_intents || '; counted ' || counted_quantity || ', told ' || told_quantity
        when integrity_verdict = 'break' and {{ is_final_invoice() }}
            then 'unsent delta: counted ' || counted_quantity || ', told ' || told_quantity || ', and the invoice is final: no push mends it'
        when integrity_verdict <> 'ok'
            then 'unsent delta: counted ' || counted_quantity || ', told ' || told_quantity
                || case when integrity_verdict = 'missing' then ', not yet a break' else '' end
        when stripe_quantity is null and stripe_customers > 1
            then 'unmapped customer: ' || stripe_customers || ' Stripe customers carry this customer_ref'
        when stripe_quantity is null then 'summary not read: sync Stripe''s totals'
        when delivery_verdict = 'missing' and open_state is not null and stripe_quantity in (sent_quantity, sent_quantity + in_flight_quantity)
            then 'in flight: an intent is ' || open_state || ' over ' || in_flight_quantity
        when delivery_verdict = 'missing' and summary_read_at < last_confirmed_at
            then 'summary out of date: read before the last delta was confirmed; read it again'
        when delivery_verdict <> 'ok'
            then 'Stripe lag: Stripe has ' || stripe_quantity || ', confirmed ' || sent_quantity
                || case when delivery_verdict = 'break' then ', past the lag budget, late or lost' else ', not yet a break' end
        when invoice_quantity is null and invoice_absent_at is not null
            then 'period mismatch: Stripe bills no line for this period; counted ' || counted_quantity
        when invoice_quantity is null then 'invoice not read: no preview or invoice line was seen for this period'
        when business_verdict <> 'ok' and not coalesce({{ agrees_within_epsilon('invoice_due', 'invoice_quantity') }}, false)
            and (invoice_starts_at > period_start + interval '1 minute' or invoice_ends_at < period_end - interval '1 minute')
            then 'period mismatch: the invoice''s line is for ' || to_char(invoice_starts_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI')
                || ' to ' || to_char(invoice_ends_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC only, and bills '
                || invoice_quantity || '; counted ' || counted_quantity
        when business_verdict = 'missing'
            then 'Stripe lag: the ' || invoice_status || ' bills ' || invoice_quantity || ', counted ' || invoice_due || ', not yet a break'
        when business_verdict = 'break'
            then 'invoice differs: billed ' || invoice_quantity || ', counted ' || invoice_due
        when money_verdict <> 'ok' and price_fault is not null then 'price mismatch: ' || price_fault
        when money_verdict = 'break' and is_price_off
            then 'price mismatch: ' || invoice_quantity || ' units are billed at ' || invoice_amount || ' ' || invoice_currency
                || ' (minor units), and cost ' || expected_amount || ' ' || priced_currency || ' under ' || coalesce(price_id, 'the declared price')
        when money_verdict = 'break'
            then 'amount differs: billed ' || (invoice_amount + settled_amount) || ', counted usage costs ' || local_amount
        when money_verdict = 'missing' then 'not priced: what was counted has no amount yet'
    end
{%- endmacro %}
