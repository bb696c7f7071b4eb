-- Rule: an event that its meter measures is among the late ones exactly when it landed at or after its period's closes_at.
-- Relies on it: adjustments. At stake: usage in no counter and in no list.
with late as (

    select tenant_id, idempotency_key, true as is_late
    from {{ ref('int_usage_events_deduplicated') }}
    where landed_at >= closes_at
        and outcome in ('counted', 'late')
        and xid < {{ read_to(ref('int_usage_events_late')) }}

)

select tenant_id, idempotency_key, late.is_late, kept.closes_at
from late
full join {{ ref('int_usage_events_late') }} as kept using (tenant_id, idempotency_key)
where late.is_late is null or kept.closes_at is null
