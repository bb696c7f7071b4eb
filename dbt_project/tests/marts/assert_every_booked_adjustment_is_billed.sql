-- Rule: the adjustments booked into a period are the adjustment of its counter, and a counter has no other.
-- Relies on it: whoever approved one, and the customer who was promised it. At stake: a credit that never reaches an invoice.
with booked as (

    select
        tenant_id,
        customer_ref,
        metric,
        booked_start as period_start,
        sum(amount) as amount
    from {{ ref('stg_adjustments') }}
    where state in ('approved', 'reverted')
    group by 1, 2, 3, 4

)

select
    tenant_id,
    customer_ref,
    metric,
    period_start,
    booked.amount as booked,
    counters.adjustment
from booked
full join {{ ref('usage_counters') }} as counters using (tenant_id, customer_ref, metric, period_start)
where coalesce(booked.amount, 0) is distinct from coalesce(counters.adjustment, 0)
    or (booked.amount is not null and counters.value is distinct from counters.event_value + booked.amount)
