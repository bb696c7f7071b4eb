{%- from 'wanted.sql' import wanted -%}
-- The counters asked about, as they are billed.
with {{ wanted() }}

select
    wanted.position,
    counter.event_count,
    counter.quantity_sum,
    counter.quantity_min,
    counter.quantity_max,
    counter.last_quantity,
    counter.event_value,
    counter.adjustment,
    counter.value,
    counter.is_carried,
    counter.closes_at
from marts.usage_counters as counter
inner join wanted using (customer_ref, metric, period_start)
where counter.tenant_id = %(tenant_id)s
