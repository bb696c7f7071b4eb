select
    tenant_id,
    time_zone,
    calendar_period,
    epsilon,
    lag_budget
from {{ source('tally', 'tenants') }}
