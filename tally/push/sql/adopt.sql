-- One confirmed intent for what Stripe has and this ledger did not know of; what was open is part of it, or never was.
-- Parameters: tenant_id, account, livemode, customer_ref, metric, period_start, period_end, seq, value, absolute_value,
-- counter_value, event_name, stripe_customer_id, event_ts, identifier, now, open_intents, evidence.
with cancelled as (
    update tally.push_intents
    set
        state = 'cancelled',
        lease_until = null,
        last_error = coalesce(last_error || '; ', '') || %(evidence)s
    where
        intent_id = any(%(open_intents)s::uuid [])
        and state in ('planned', 'sending', 'unknown', 'resolving', 'disputed')
)

insert into tally.push_intents (
    tenant_id, account, livemode, customer_ref, metric, period_start, period_end, seq, value, absolute_value,
    counter_value, event_name, stripe_customer_id, event_ts, identifier, planned_at, state, confirmed_at, confirmed_by,
    last_error
) values (
    %(tenant_id)s, %(account)s, %(livemode)s, %(customer_ref)s, %(metric)s, %(period_start)s, %(period_end)s, %(seq)s,
    %(value)s, %(absolute_value)s, %(counter_value)s, %(event_name)s, %(stripe_customer_id)s, %(event_ts)s,
    %(identifier)s, %(now)s, 'confirmed', %(now)s, 'operator', %(evidence)s
)
