{#- Relative difference within the tenant's epsilon. No absolute allowance: one unit of ten is a break. Null when either is. -#}
{% macro agrees_within_epsilon(left, right) -%}
    abs({{ left }} - {{ right }}) <= epsilon * greatest(abs({{ left }}), abs({{ right }}))
{%- endmacro %}

{#- The likely cause of a line that is not ok, most telling first; the word before the colon is stable. -#}
{% macro likely_cause() -%}
    case
        when not is_mapped then 'unmapped: no active price mapping sends this metric to Stripe'
        when not is_known_to_stripe then 'no subscription item: the customer has no metered item for this metric'
        when event_count > 0 and local_quantity is null then 'undeclared metric: events landed before the metric was declared'
        when integrity_verdict = 'break' and is_one_moment and event_count <> expected_event_count
            then 'lost event: ' || expected_event_count || ' events were delivered in time, the counter holds ' || event_count
        when told_quantity <> counted_quantity and void_intents > 0
            then 'refused intents: Stripe refused or never had ' || void_intents || '; counted ' || counted_quantity || ', told ' || told_quantity
        when told_quantity <> counted_quantity
            then 'unsent delta: counted ' || counted_quantity || ', told ' || told_quantity
        when stripe_quantity is null then 'summary not read: sync Stripe''s totals'
        when delivery_verdict = 'missing' then 'in flight: an intent is ' || open_state || ' over ' || in_flight_quantity
        when delivery_verdict = 'break' and summary_read_at < last_confirmed_at
            then 'summary out of date: read before the last delta was confirmed; read it again'
        when delivery_verdict = 'break'
            and stripe_quantity > greatest(sent_quantity, sent_quantity + in_flight_quantity)
            then 'foreign writer or double count: Stripe has ' || stripe_quantity || ', confirmed ' || sent_quantity
        when delivery_verdict = 'break'
            then 'Stripe lags or lost a delta: Stripe has ' || stripe_quantity || ', confirmed ' || sent_quantity
        when invoice_quantity is null then 'invoice not read: no preview or invoice line was seen for this period'
        when business_verdict = 'break'
            then 'invoice differs: billed ' || invoice_quantity || ', counted ' || counted_quantity
    end
{%- endmacro %}
