{%- from 'wanted.sql' import wanted -%}
-- How many equal repeats the ledger counted for the counters asked about.
with {{ wanted() }}

select wanted.position, delivered.duplicates
from marts.usage_deliveries as delivered
inner join wanted using (customer_ref, metric, period_start)
where delivered.tenant_id = %(tenant_id)s
