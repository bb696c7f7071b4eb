select
    tenant_id,
    account,
    livemode,
    customer_ref,
    metric,
    period_start,
    quantity,
    amount,
    invoice_quantity,
    expected_amount,
    rounded_parts,
    currency,
    price_id,
    fault,
    priced_at
from {{ source('tally', 'priced_lines') }}
