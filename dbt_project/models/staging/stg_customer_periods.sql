select
    tenant_id,
    customer_ref,
    period_start,
    period_end,
    closes_with,
    origin
from {{ source('tally', 'customer_periods') }}
