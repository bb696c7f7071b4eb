select
    tenant_id,
    customer_ref,
    period_start,
    period_end,
    origin
from {{ source('tally', 'customer_periods') }}
