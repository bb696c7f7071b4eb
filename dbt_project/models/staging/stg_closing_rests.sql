select
    rest_id,
    tenant_id,
    account,
    livemode,
    customer_ref,
    metric,
    period_start,
    seq,
    kind,
    basis,
    from_quantity,
    to_quantity,
    amount_minor,
    state
from {{ source('tally', 'closing_rests') }}
