{%- from 'wanted.sql' import wanted -%}
-- What is booked into the counters asked about.
with {{ wanted() }}

select
    wanted.position,
    adjustment.adjustment_id::text as adjustment_id,
    adjustment.amount,
    adjustment.reason,
    adjustment.note,
    adjustment.decided_by,
    adjustment.decided_at,
    (
        select count(*)
        from tally.adjustment_events as link
        where link.tenant_id = %(tenant_id)s and link.adjustment_id = adjustment.adjustment_id
    ) as events
from tally.adjustments as adjustment
inner join wanted
    on adjustment.customer_ref = wanted.customer_ref
    and adjustment.metric = wanted.metric
    and adjustment.booked_start = wanted.period_start
where adjustment.tenant_id = %(tenant_id)s
order by wanted.position, adjustment.decided_at, adjustment.adjustment_id
