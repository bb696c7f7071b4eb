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
    synced_at
from {{ source('tally', 'stripe_subscription_items') }}
