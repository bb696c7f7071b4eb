-- Rule: per counter, the hours add up to the counter: its events, their sum, least, greatest.
-- Relies on it: charts, the usage API, whoever explains an invoice by day. At stake: an explanation that does not match the bill.
with added as (

    select
        tenant_id,
        customer_ref,
        metric,
        period_start,
        sum(event_count) as event_count,
        sum(quantity_sum) as quantity_sum,
        min(quantity_min) as quantity_min,
        max(quantity_max) as quantity_max
    from {{ ref('usage_hourly') }}
    group by 1, 2, 3, 4

),

-- Counts of two models can be compared when both have read the same landed rows; between two models of a tick they have not.
same_moment as (

    select count(distinct read_to) = 1 as holds
    from {{ ref('stg_model_bounds') }}
    where model in ('ledger.int_usage_counters', 'marts.usage_hourly')

)

select
    tenant_id,
    customer_ref,
    metric,
    period_start,
    added.event_count as hourly_event_count,
    counters.event_count,
    added.quantity_sum as hourly_quantity_sum,
    counters.quantity_sum
from added
full join {{ ref('int_usage_counters') }} as counters using (tenant_id, customer_ref, metric, period_start)
where (added.event_count, added.quantity_sum, added.quantity_min, added.quantity_max)
    is distinct from (counters.event_count, counters.quantity_sum, counters.quantity_min, counters.quantity_max)
    and (select holds from same_moment)
    -- Hours of periods long closed may have been deleted.
    and not exists (
        select 1
        from {{ source('tally', 'deleted_hours') }} as deleted
        where deleted.tenant_id = counters.tenant_id
            and counters.period_end <= deleted.up_to
    )
