{%- from 'wanted.sql' import wanted -%}
-- What is counted of everything that a line bills: its own counter, and the other segments of the period that are on it.
with {{ wanted() }}

select wanted.position, count(*) as counters, sum(counter.value) as value
from marts.usage_counters as counter
inner join wanted
    on counter.customer_ref = wanted.customer_ref
    and counter.metric = wanted.metric
    and counter.period_start >= wanted.billed_from
    and counter.period_start < wanted.billed_to
where counter.tenant_id = %(tenant_id)s
group by wanted.position
