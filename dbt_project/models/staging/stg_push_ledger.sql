select
    tenant_id,
    account,
    livemode,
    customer_ref,
    metric,
    period_start,
    period_end,
    confirmed_quantity,
    in_flight_quantity,
    told_quantity,
    intents,
    void_intents,
    open_state,
    last_confirmed_at
from {{ source('tally', 'push_ledger') }}
