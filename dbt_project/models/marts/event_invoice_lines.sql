{{ config(materialized='view') }}

-- Written so that a key, or a line, finds its rows by indexes: each branch reads the events once, without a subquery in between.
select
    event.tenant_id,
    event.idempotency_key,
    event.outcome,
    case when event.outcome = 'counted' then 'counted' end as via,
    null::uuid as adjustment_id,
    totals.account,
    totals.livemode,
    totals.invoice_id,
    string_to_array(totals.invoice_line_id, ',') as invoice_line_ids,
    totals.invoice_status,
    event.customer_ref,
    event.metric,
    event.period_start,
    event.event_time,
    event.landed_at,
    event.seq,
    event.xid,
    event.payload_hash,
    event.quantity,
    event.member
from {{ ref('int_usage_events_deduplicated') }} as event
left join {{ ref('stg_stripe_totals') }} as totals
    on event.tenant_id = totals.tenant_id
    and event.customer_ref = totals.customer_ref
    and event.metric = totals.metric
    and event.period_start = totals.period_start
    and event.outcome = 'counted'

union all

-- What an approved adjustment stands for is on the line of the period that it was booked into.
select
    event.tenant_id,
    event.idempotency_key,
    event.outcome,
    'adjustment' as via,
    adjustment.adjustment_id,
    totals.account,
    totals.livemode,
    totals.invoice_id,
    string_to_array(totals.invoice_line_id, ',') as invoice_line_ids,
    totals.invoice_status,
    event.customer_ref,
    event.metric,
    adjustment.booked_start as period_start,
    event.event_time,
    event.landed_at,
    event.seq,
    event.xid,
    event.payload_hash,
    event.quantity,
    event.member
from {{ ref('stg_adjustment_events') }} as link
inner join {{ ref('stg_adjustments') }} as adjustment
    on link.tenant_id = adjustment.tenant_id
    and link.adjustment_id = adjustment.adjustment_id
    and adjustment.booked_start is not null
inner join {{ ref('int_usage_events_deduplicated') }} as event
    on link.tenant_id = event.tenant_id
    and link.idempotency_key = event.idempotency_key
left join {{ ref('stg_stripe_totals') }} as totals
    on adjustment.tenant_id = totals.tenant_id
    and adjustment.customer_ref = totals.customer_ref
    and adjustment.metric = totals.metric
    and adjustment.booked_start = totals.period_start
