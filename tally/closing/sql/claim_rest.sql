-- The next rest whose lease is free, claimed: its attempt and its Idempotency-Key are committed before anything is sent.
-- The key stays the same for 20 hours; only then may Stripe have forgotten it, and nothing sent under it is on its way.
-- Parameters: tenant_id, account, livemode, now, key_from, lease.
with next_rest as (
    select rest_id
    from tally.closing_rests
    where
        tenant_id = %(tenant_id)s
        and account = %(account)s
        and livemode = %(livemode)s
        and state in ('approved', 'sending')
        and (lease_until is null or lease_until <= clock_timestamp())
    order by decided_at, rest_id
    limit 1
    for update skip locked
),

claimed as (
    update tally.closing_rests as rest
    set
        state = 'sending',
        attempts = rest.attempts + 1,
        lease_until = clock_timestamp() + %(lease)s,
        last_attempt_at = %(now)s,
        key_number = rest.key_number + coalesce(rest.key_used_from <= %(key_from)s, false)::integer,
        key_used_from = case when rest.key_used_from > %(key_from)s then rest.key_used_from else %(now)s end
    from next_rest
    where rest.rest_id = next_rest.rest_id
    returning rest.*
),

attempt as (
    insert into tally.closing_attempts (rest_id, attempt, idempotency_key, started_at)
    select rest_id, attempts, 'tally-rest-' || rest_id || case when key_number = 1 then '' else '~' || key_number end, %(now)s
    from claimed
    returning rest_id, idempotency_key
)

select
    claimed.rest_id::text,
    claimed.attempts as attempt,
    claimed.payload,
    claimed.key_used_from,
    attempt.idempotency_key
from claimed
inner join attempt using (rest_id)
