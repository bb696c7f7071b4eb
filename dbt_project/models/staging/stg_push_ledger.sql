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
    last_confirmed_at,
    told_upwards,
    told_downwards,
    confirmed_values
from {{ source('tally', 'push_ledger') }}
-- A shadow account bills nobody: it has a report of its own, and no line of a reconciliation.
where not tally.is_shadow(account)
