select
    tenant_id,
    metric,
    aggregation,
    unit,
    lateness_window,
    property,
    percentile,
    time_unit,
    divide_by,
    filter,
    dimensions,
    epsilon
from {{ source('tally', 'meters') }}
