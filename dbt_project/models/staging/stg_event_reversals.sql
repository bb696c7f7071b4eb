select
    tenant_id,
    idempotency_key,
    reason,
    reversed_at
from {{ source('tally', 'event_reversals') }}
