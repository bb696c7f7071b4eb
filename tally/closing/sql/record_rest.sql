-- An attempt's outcome, and what it makes of the rest. What is certain (done) may override what a later sender began.
-- Parameters: rest_id, attempt, outcome, stripe_id, http_status, request_id, error, now, pause.
with ended as (
    update tally.closing_attempts
    set
        ended_at = %(now)s, outcome = %(outcome)s, http_status = %(http_status)s, request_id = %(request_id)s, error = %(error)s
    where rest_id = %(rest_id)s and attempt = %(attempt)s
)

update tally.closing_rests
set
    state = case
        when %(outcome)s in ('done', 'found') then 'done'
        when %(outcome)s = 'refused' then 'refused'
        else 'sending'
    end,
    stripe_id = coalesce(%(stripe_id)s, stripe_id),
    done_at = case when %(outcome)s in ('done', 'found') then %(now)s::timestamptz end,
    done_by = case %(outcome)s when 'done' then 'answer' when 'found' then 'evidence' end,
    lease_until = case when %(outcome)s in ('unknown', 'stopped') then clock_timestamp() + %(pause)s end,
    last_error = %(error)s
where
    rest_id = %(rest_id)s
    and state in ('approved', 'sending')
    and (attempts = %(attempt)s or %(outcome)s in ('done', 'found'))
returning state
