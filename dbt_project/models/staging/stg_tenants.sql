select
    tenant_id,
    time_zone,
    calendar_period,
    epsilon
from {{ source('tally', 'tenants') }}
