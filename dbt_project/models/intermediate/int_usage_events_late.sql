select
    tenant_id,
    idempotency_key,
    customer_ref,
    metric,
    quantity,
    event_time,
    landed_at,
    seq,
    xid,
    aggregation,
    period_start,
    period_end,
    closes_at
from {{ ref('int_usage_events_deduplicated') }}
where {{ landed_in_window() }}
    and is_late
