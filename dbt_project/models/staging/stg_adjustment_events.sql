select
    tenant_id,
    idempotency_key,
    adjustment_id
from {{ source('tally', 'adjustment_events') }}
