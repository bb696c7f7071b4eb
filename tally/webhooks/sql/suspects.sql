-- Counters of a meter that were sent something in the last two days and have nothing on its way, newest first: what Stripe
-- has confirmed of each, and each confirmed intent of these days with its value.
-- Parameters: tenant_id, account, livemode, event_name, now, most.
select
    customer_ref,
    metric,
    period_start,
    max(period_end) as period_end,
    (array_agg(stripe_customer_id order by seq desc))[1] as stripe_customer_id,
    coalesce(sum(value) filter (where state = 'confirmed'), 0) as confirmed,
    array_agg(intent_id order by seq desc)
    filter (where state = 'confirmed' and last_attempt_at > %(now)s - interval '2 days') as intent_ids,
    array_agg(value order by seq desc)
    filter (where state = 'confirmed' and last_attempt_at > %(now)s - interval '2 days') as intent_values
from tally.push_intents
where
    tenant_id = %(tenant_id)s
    and account = %(account)s
    and livemode = %(livemode)s
    and event_name = %(event_name)s
    and state not in ('refused', 'missing', 'cancelled', 'rejected', 'superseded')
group by customer_ref, metric, period_start
having
    bool_and(state = 'confirmed')
    and max(last_attempt_at) > %(now)s - interval '2 days'
order by max(last_attempt_at) desc
limit %(most)s
