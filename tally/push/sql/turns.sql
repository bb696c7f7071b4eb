-- Lease turns of an account: when so many calls may go out, for which intents wait. The row lock makes all pushers of the
-- account take turns one after another, so that together they keep its rate; what one leases and never uses is lost.
-- Answers `answer`: go; probe (one call, to see whether Stripe answers again); wait (until `seconds` from now; paused or
-- circuit open: `why`); stopped (`why`); nothing (the first intent becomes free in `seconds`; null: none is open).
-- Parameters: tenant_id, account, livemode, resend_from, wanted, gap, key_id, open_from, probe.
with free as (
    select count(*) as intents
    from (
        select
        from tally.push_intents
        where
            tenant_id = %(tenant_id)s
            and account = %(account)s
            and livemode = %(livemode)s
            and state in ('planned', 'sending', 'unknown')
            and not (state = 'sending' and by_stream)
            and (lease_until is null or lease_until <= clock_timestamp())
            and (first_attempt_at is null or first_attempt_at > %(resend_from)s)
        limit %(wanted)s
    ) as first_free
),

row_of_account as (
    select *
    from tally.push_accounts
    where account = %(account)s and livemode = %(livemode)s
    for update
),

judged as (
    select
        known.*,
        clock_timestamp() as at,
        greatest(known.next_turn_at, clock_timestamp() - interval '100 milliseconds') as first_turn_at,
        case
            when free.intents = 0 then 'nothing'
            when known.stopped_at is not null and (known.stopped_key is null or known.stopped_key = %(key_id)s) then 'stopped'
            when known.paused_until > clock_timestamp() then 'paused'
            when known.failures < %(open_from)s and known.stopped_at is null then 'go'
            when known.retry_at > clock_timestamp() then 'open'
            else 'probe'
        end as answer,
        free.intents as turns
    from row_of_account as known
    cross join free
),

leased as (
    update tally.push_accounts as target
    set
        next_turn_at = judged.first_turn_at
        + case judged.answer when 'go' then judged.turns else 1 end * %(gap)s::float8 * interval '1 second',
        retry_at = case judged.answer when 'probe' then judged.at + %(probe)s end
    from judged
    where
        target.account = judged.account
        and target.livemode = judged.livemode
        and judged.answer in ('go', 'probe')
)

select
    case when answer in ('paused', 'open') then 'wait' else answer end as answer,
    case answer when 'go' then turns when 'probe' then 1 else 0 end as turns,
    case answer
        when 'nothing'
            then (
                select extract(epoch from min(lease_until) - clock_timestamp())::float8
                from tally.push_intents
                where
                    tenant_id = %(tenant_id)s
                    and account = %(account)s
                    and livemode = %(livemode)s
                    and state in ('planned', 'sending', 'unknown')
                    and not (state = 'sending' and by_stream)
                    and (first_attempt_at is null or first_attempt_at > %(resend_from)s)
            )
        when 'paused' then extract(epoch from paused_until - at)::float8
        when 'open' then extract(epoch from retry_at - at)::float8
        else extract(epoch from first_turn_at - at)::float8
    end as seconds,
    case answer
        when 'stopped' then stopped_because
        when 'paused' then pause_reason
        when 'open' then failures || ' calls in a row without an answer since '
            || to_char(failing_since at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS"Z"')
    end as why,
    failures > 0 or stopped_at is not null as is_troubled
from judged
