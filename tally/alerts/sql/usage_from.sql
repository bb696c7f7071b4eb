-- Counters of running periods with %(over)s or more, the largest first.
select customer_ref, period_start, period_end, value
from marts.usage_counters
where tenant_id = %(tenant_id)s and metric = %(metric)s
  and (%(customer_ref)s::text is null or customer_ref = %(customer_ref)s)
  and period_start <= %(now)s and period_end > %(now)s
  and value >= %(over)s
order by value desc, customer_ref, period_start
limit %(limit)s
