-- Rule: nobody sent the same key with another payload.
-- Relies on it: nothing; the first delivery counts, so a conflict is a question for a person and not a wrong counter.
-- At stake: a correction that an app meant to make, or a key it used twice for two events (the second is not billed).
{{ config(severity='warn') }}
select
    first_customer_ref as customer_ref,
    tenant_id,
    first_metric as metric,
    first_period_start as period_start,
    count(*) as conflicts,
    min(idempotency_key) as an_idempotency_key
from {{ ref('int_usage_events_conflicts') }}
group by 1, 2, 3, 4
