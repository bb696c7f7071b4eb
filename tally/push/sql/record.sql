-- Outcomes of attempts, and what each makes of its intent. A lease that ran out lets a second pusher send the same
-- intent; then only what is certain (confirmed) may override what the other one recorded.
-- Parameters: now, and arrays of one length: intent_ids, attempts, kinds, http_statuses, request_ids, errors, retry_afters.
with outcomes as (
    select *
    from unnest(
        %(intent_ids)s::uuid [], %(attempts)s::integer [], %(kinds)s::text [], %(http_statuses)s::integer [],
        %(request_ids)s::text [], %(errors)s::text [], %(retry_afters)s::interval []
    ) as outcome (intent_id, attempt, kind, http_status, request_id, error, retry_after)
),

-- Always in the same order: two pushers that record the same intents wait for each other, and never both.
locked as (
    select intent_id
    from tally.push_intents
    where intent_id = any(%(intent_ids)s::uuid [])
    order by intent_id
    for update
),

ended as (
    update tally.push_attempts as target
    set
        ended_at = %(now)s,
        outcome = case outcomes.kind
            when 'accepted' then 'accepted'
            when 'duplicate' then 'duplicate'
            when 'unknown' then 'unknown'
            when 'unrepeatable' then 'unknown'
            when 'unsent' then 'unsent'
            else 'refused'
        end,
        http_status = outcomes.http_status,
        request_id = outcomes.request_id,
        error = outcomes.error
    from outcomes
    where target.intent_id = outcomes.intent_id and target.attempt = outcomes.attempt
),

intents as (
    select
        outcomes.*,
        -- Another attempt may have arrived: then "refused" says nothing about the intent, and it is settled by evidence.
        exists (
            select from tally.push_attempts as other
            where
                other.intent_id = outcomes.intent_id
                and other.attempt <> outcomes.attempt
                and coalesce(other.outcome, 'unknown') = 'unknown'
        ) as may_have_arrived,
        -- Taken before although we never sent it: another ledger uses our identifiers, perhaps for another value.
        outcomes.kind = 'duplicate' and not exists (
            select from tally.push_attempts as other
            where
                other.intent_id = outcomes.intent_id
                and other.attempt <> outcomes.attempt
                and coalesce(other.outcome, 'unknown') not in ('refused', 'unsent')
        ) as is_not_ours
    from outcomes
    inner join locked on outcomes.intent_id = locked.intent_id
)

update tally.push_intents as target
set
    state = case
        when intents.is_not_ours then 'resolving'
        when intents.kind in ('accepted', 'duplicate') then 'confirmed'
        when intents.kind = 'mismatch' then 'disputed'
        when intents.kind = 'unknown' then 'unknown'
        when intents.kind = 'unrepeatable' then 'resolving'
        when intents.kind in ('stopped', 'unsent') and intents.may_have_arrived then 'unknown'
        when intents.kind in ('stopped', 'unsent') then 'planned'
        when intents.may_have_arrived then 'resolving'
        else 'refused'
    end,
    confirmed_at = case when intents.kind in ('accepted', 'duplicate') and not intents.is_not_ours then %(now)s end,
    confirmed_by = case
        when intents.is_not_ours then null
        when intents.kind = 'accepted' then 'answer'
        when intents.kind = 'duplicate' then 'duplicate'
    end,
    first_attempt_at = case
        when intents.kind not in ('stopped', 'unsent') or intents.may_have_arrived then target.first_attempt_at
    end,
    lease_until = case when intents.kind = 'unknown' then clock_timestamp() + intents.retry_after end,
    last_error = coalesce(intents.error, case when intents.kind = 'unsent' then target.last_error end)
from intents
where
    target.intent_id = intents.intent_id
    and (
        (target.state = 'sending' and target.attempts = intents.attempt)
        or (
            intents.kind in ('accepted', 'duplicate')
            and target.state in ('sending', 'unknown', 'resolving', 'disputed')
        )
    )
returning target.intent_id, target.state
