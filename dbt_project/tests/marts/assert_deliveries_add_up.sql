-- Rule: per tenant, landed rows = deliveries; per counter, deliveries = events + duplicates + conflicts.
-- Relies on it: the reconciliation's first columns. At stake: a delivery that became neither usage, nor a repeat, nor a conflict.
with landed as (

    select tenant_id, count(*) as landed
    from {{ ref('stg_usage_events') }}
    where xid < {{ read_to(ref('usage_deliveries')) }}
    group by tenant_id

),

counted as (

    select
        tenant_id,
        sum(deliveries) as deliveries,
        bool_and(deliveries = events + duplicates + conflicts) as adds_up
    from {{ ref('usage_deliveries') }}
    group by tenant_id

)

select tenant_id, landed.landed, counted.deliveries, counted.adds_up
from landed
full join counted using (tenant_id)
where landed.landed is distinct from counted.deliveries
    or counted.adds_up is distinct from true
