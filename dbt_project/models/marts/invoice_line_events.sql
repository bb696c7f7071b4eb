{{ config(materialized='view') }}

select
    tenant_id,
    account,
    livemode,
    invoice_id,
    invoice_line_ids,
    invoice_status,
    customer_ref,
    metric,
    period_start,
    via,
    adjustment_id,
    idempotency_key,
    event_time,
    landed_at,
    seq,
    xid,
    payload_hash,
    quantity,
    member
from {{ ref('event_invoice_lines') }}
where invoice_id is not null
