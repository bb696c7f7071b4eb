select
    tenant_id,
    account,
    livemode,
    customer_ref,
    metric,
    period_start,
    code,
    first_seen_at,
    last_seen_at,
    checks
from {{ source('tally', 'reconciliation_findings') }}
