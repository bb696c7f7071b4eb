select
    tenant_id,
    account,
    livemode,
    item_id,
    customer_ref,
    metric,
    subscription_status,
    started_at,
    ended_at,
    synced_at,
    stripe_customer_id
from {{ source('tally', 'stripe_subscription_items') }}
-- A shadow account bills nobody: it has a report of its own, and no line of a reconciliation.
where not tally.is_shadow(account)
