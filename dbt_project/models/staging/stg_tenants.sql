select
    tenant_id,
    time_zone,
    epsilon
from {{ source('tally', 'tenants') }}
