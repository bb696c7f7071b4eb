select
    tenant_id,
    metric,
    aggregation,
    unit,
    lateness_window
from {{ source('tally', 'meters') }}
