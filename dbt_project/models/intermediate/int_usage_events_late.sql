select
    tenant_id,
    idempotency_key,
    customer_ref,
    metric,
    quantity,
    member,
    event_time,
    landed_at,
    seq,
    xid,
    period_start,
    period_end,
    closes_at
from {{ ref('int_usage_events_deduplicated') }}
where {{ landed_in_window() }}
    and outcome = 'late'
