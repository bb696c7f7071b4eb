-- The next intent whose lease is free, claimed: `sending` and its attempt are committed before anything is sent.
-- An attempt after an answered 5xx takes a new Idempotency-Key (Stripe replays a stored 500 for a day); the identifier
-- stays, so it is still counted once. Every other attempt repeats the key.
-- Parameters: tenant_id, account, livemode, now, resend_from, lease.
with next_intent as (
    select intent_id
    from tally.push_intents
    where
        tenant_id = %(tenant_id)s
        and account = %(account)s
        and livemode = %(livemode)s
        and state in ('planned', 'sending', 'unknown')
        and (lease_until is null or lease_until <= clock_timestamp())
        and (first_attempt_at is null or first_attempt_at > %(resend_from)s)
    order by planned_at, intent_id
    limit 1
    for update skip locked
),

claimed as (
    update tally.push_intents as intent
    set
        state = 'sending',
        attempts = intent.attempts + 1,
        lease_until = clock_timestamp() + %(lease)s,
        first_attempt_at = coalesce(intent.first_attempt_at, %(now)s),
        last_attempt_at = %(now)s
    from next_intent
    where intent.intent_id = next_intent.intent_id
    returning intent.*
),

attempt as (
    insert into tally.push_attempts (intent_id, attempt, idempotency_key, started_at)
    select
        claimed.intent_id,
        claimed.attempts,
        claimed.identifier || case when answered.errors = 0 then '' else '~' || (answered.errors + 1) end,
        %(now)s
    from claimed
    cross join lateral (
        select count(*) as errors
        from tally.push_attempts as earlier
        where earlier.intent_id = claimed.intent_id and earlier.http_status >= 500
    ) as answered
    returning intent_id, idempotency_key
)

select
    claimed.intent_id,
    claimed.attempts as attempt,
    claimed.customer_ref,
    claimed.metric,
    claimed.value,
    claimed.event_name,
    claimed.stripe_customer_id,
    claimed.event_ts,
    claimed.identifier,
    claimed.first_attempt_at,
    attempt.idempotency_key
from claimed
inner join attempt using (intent_id)
