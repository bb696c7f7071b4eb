{% from 'billing_period.sql' import billing_period with context -%}
-- The period that an event of the customer at this moment would be counted in.
-- Parameters: tenant_id, customer_ref, moment.
select period.period_start, period.period_end
from (
    select %(tenant_id)s::text as tenant_id, %(customer_ref)s::text as customer_ref, %(moment)s::timestamptz as moment
) as asked
left join tally.tenants as tenant on asked.tenant_id = tenant.tenant_id
cross join lateral {{ billing_period('asked.tenant_id', 'asked.customer_ref', 'asked.moment', 'tenant') }} as period
