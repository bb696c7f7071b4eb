select
    tenant_id,
    account,
    livemode,
    customer_ref,
    metric,
    period_start,
    period_end,
    summary_quantity,
    summary_read_at,
    invoice_id,
    invoice_line_id,
    invoice_status,
    invoice_quantity,
    invoice_amount,
    invoice_currency,
    invoice_read_at
from {{ source('tally', 'stripe_totals') }}
