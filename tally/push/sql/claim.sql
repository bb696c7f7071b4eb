-- The next intents whose lease is free, claimed: `sending` and its attempt are committed before anything is sent.
-- An attempt after an answered 5xx takes a new Idempotency-Key (Stripe replays a stored 500 for a day); the identifier
-- stays, so it is still counted once. Every other attempt repeats the key.
-- Parameters: tenant_id, account, livemode, now, resend_from, lease, turns, by_stream (which takes only such as were never claimed before).
-- Two statements, one transaction. An account's claims are made one after another, and the second statement begins, and
-- looks, after the lock is had: so it sees what is `sending` because of a claim that it waited for.
select pg_advisory_xact_lock(hashtextextended('tally.push_intents ' || %(account)s || ' ' || %(livemode)s::text, 0));

with next_intents as (
    select intent_id
    from tally.push_intents as intent
    where
        tenant_id = %(tenant_id)s
        and account = %(account)s
        and livemode = %(livemode)s
        and state in ('planned', 'sending', 'unknown')
        and not (state = 'sending' and by_stream)
        and (lease_until is null or lease_until <= clock_timestamp())
        and (first_attempt_at is null or first_attempt_at > %(resend_from)s)
        and (attempts = 0 or not %(by_stream)s)
        -- Two periods of one customer and meter are two counters, and Stripe takes one call at a time for both.
        and not exists (
            select from tally.push_intents as other
            where
                other.account = intent.account
                and other.livemode = intent.livemode
                and other.stripe_customer_id = intent.stripe_customer_id
                and other.event_name = intent.event_name
                and other.state = 'sending'
                and other.lease_until > clock_timestamp()
        )
    -- Periods that end first go first: of those that have just ended, everything has to arrive before their invoices are final.
    order by period_end, planned_at, intent_id
    limit %(turns)s
    for update skip locked
),

claimed as (
    update tally.push_intents as intent
    set
        state = 'sending',
        attempts = intent.attempts + 1,
        by_stream = %(by_stream)s,
        lease_until = clock_timestamp() + %(lease)s,
        first_attempt_at = coalesce(intent.first_attempt_at, %(now)s),
        last_attempt_at = %(now)s
    from next_intents
    where intent.intent_id = next_intents.intent_id
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
    coalesce(claimed.absolute_value, claimed.value) as value,
    claimed.event_name,
    claimed.stripe_customer_id,
    claimed.event_ts,
    claimed.identifier,
    claimed.first_attempt_at,
    attempt.idempotency_key
from claimed
inner join attempt using (intent_id)
order by claimed.period_end, claimed.planned_at, claimed.intent_id
