select
    tenant_id,
    metric,
    event_name,
    account,
    active
from {{ source('tally', 'price_mappings') }}
