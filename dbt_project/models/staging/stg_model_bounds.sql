select
    model,
    read_to,
    updated_at
from {{ source('tally', 'model_bounds') }}
