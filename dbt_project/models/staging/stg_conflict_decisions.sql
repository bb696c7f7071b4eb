select
    tenant_id,
    idempotency_key,
    xid,
    seq,
    decision,
    replacement_key,
    decided_at
from {{ source('tally', 'conflict_decisions') }}
