-- What running periods cost so far where that is %(over)s minor units or more, by their last reconciliation.
select customer_ref, period_start, max(counter.period_end) as period_end, sum(line.amount) as value
from tally.priced_lines as line
inner join marts.usage_counters as counter using (tenant_id, customer_ref, metric, period_start)
where line.tenant_id = %(tenant_id)s and line.metric = %(metric)s and line.currency = %(currency)s
  and (%(customer_ref)s::text is null or line.customer_ref = %(customer_ref)s)
  and not tally.is_shadow(line.account)
  and counter.period_start <= %(now)s and counter.period_end > %(now)s
group by line.customer_ref, line.period_start
having sum(line.amount) >= %(over)s
order by value desc, customer_ref, period_start
limit %(limit)s
