select
    adjustment_id,
    tenant_id,
    customer_ref,
    metric,
    period_start,
    period_end,
    amount,
    reason,
    state,
    created_at,
    decided_at,
    booked_start,
    booked_end,
    reverts
from {{ source('tally', 'adjustments') }}
