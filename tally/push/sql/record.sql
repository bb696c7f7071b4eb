-- An attempt's outcome, and what it makes of the intent. A lease that ran out lets a second pusher send the same
-- intent; then only what is certain (confirmed) may override what the other one recorded.
-- Parameters: intent_id, attempt, kind, http_status, request_id, error, now, retry_after.
with ended as (
    update tally.push_attempts
    set
        ended_at = %(now)s,
        outcome = case %(kind)s
            when 'accepted' then 'accepted' when 'duplicate' then 'duplicate' when 'unknown' then 'unknown' else 'refused'
        end,
        http_status = %(http_status)s,
        request_id = %(request_id)s,
        error = %(error)s
    where intent_id = %(intent_id)s and attempt = %(attempt)s
),

intent as (
    select
        intent_id,
        -- Another attempt may have arrived: then "refused" says nothing about the intent, and it is settled by evidence.
        exists (
            select from tally.push_attempts as other
            where
                other.intent_id = %(intent_id)s
                and other.attempt <> %(attempt)s
                and coalesce(other.outcome, 'unknown') = 'unknown'
        ) as may_have_arrived,
        -- Taken before although we never sent it: another ledger uses our identifiers, perhaps for another value.
        %(kind)s = 'duplicate' and not exists (
            select from tally.push_attempts as other
            where other.intent_id = %(intent_id)s and other.attempt <> %(attempt)s
        ) as is_not_ours
    from tally.push_intents
    where intent_id = %(intent_id)s
)

update tally.push_intents as target
set
    state = case
        when intent.is_not_ours then 'resolving'
        when %(kind)s in ('accepted', 'duplicate') then 'confirmed'
        when %(kind)s = 'mismatch' then 'disputed'
        when %(kind)s = 'unknown' then 'unknown'
        when %(kind)s = 'stopped' and intent.may_have_arrived then 'unknown'
        when %(kind)s = 'stopped' then 'planned'
        when intent.may_have_arrived then 'resolving'
        else 'refused'
    end,
    confirmed_at = case when %(kind)s in ('accepted', 'duplicate') and not intent.is_not_ours then %(now)s end,
    confirmed_by = case
        when intent.is_not_ours then null
        when %(kind)s = 'accepted' then 'answer'
        when %(kind)s = 'duplicate' then 'duplicate'
    end,
    first_attempt_at = case
        when %(kind)s = 'stopped' and not intent.may_have_arrived then null else target.first_attempt_at
    end,
    lease_until = case when %(kind)s = 'unknown' then clock_timestamp() + %(retry_after)s end,
    last_error = %(error)s
from intent
where
    target.intent_id = intent.intent_id
    and (
        (target.state = 'sending' and target.attempts = %(attempt)s)
        or (%(kind)s in ('accepted', 'duplicate') and target.state in ('sending', 'unknown', 'resolving', 'disputed'))
    )
returning target.state
