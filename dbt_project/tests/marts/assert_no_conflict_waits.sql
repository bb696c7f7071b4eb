-- Rule: a person has decided about every key that was sent again with another payload.
-- Relies on it: nothing; the first delivery counts, so a conflict is a question for a person and not a wrong counter.
-- At stake: a correction that an app meant to make, or a key it used twice for two events (the second is not billed).
{{ config(severity='warn') }}
select
    conflict.first_customer_ref as customer_ref,
    conflict.tenant_id,
    conflict.first_metric as metric,
    conflict.first_period_start as period_start,
    count(*) as conflicts,
    min(conflict.idempotency_key) as an_idempotency_key
from {{ ref('int_usage_events_conflicts') }} as conflict
left join {{ ref('stg_conflict_decisions') }} as decision using (tenant_id, idempotency_key, xid, seq)
where decision.decision is null
group by 1, 2, 3, 4
