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
    invoice_read_at,
    invoice_item_ids,
    invoice_price_ids,
    invoice_line_count,
    invoice_starts_at,
    invoice_ends_at,
    invoice_finalizes_at,
    invoice_absent_at
from {{ source('tally', 'stripe_totals') }}
-- A shadow account bills nobody: it has a report of its own, and no line of a reconciliation.
where not tally.is_shadow(account)
