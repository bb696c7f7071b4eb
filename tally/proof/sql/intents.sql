{%- from 'wanted.sql' import wanted -%}
-- The deltas of the counters asked about, with the ids that Stripe gave the requests.
with {{ wanted() }}

select
    wanted.position,
    intent.account,
    intent.livemode,
    intent.seq,
    intent.value,
    intent.counter_value,
    intent.state,
    intent.identifier,
    intent.event_name,
    intent.stripe_customer_id,
    intent.event_ts,
    intent.planned_at,
    intent.confirmed_at,
    intent.confirmed_by,
    array(
        select attempt.request_id
        from tally.push_attempts as attempt
        where attempt.intent_id = intent.intent_id and attempt.request_id is not null
        order by attempt.attempt
    ) as request_ids,
    (select count(*) from tally.push_attempts as attempt where attempt.intent_id = intent.intent_id) as attempts
from tally.push_intents as intent
inner join wanted using (customer_ref, metric, period_start)
where intent.tenant_id = %(tenant_id)s
order by wanted.position, intent.account, intent.livemode, intent.seq
