select * from candidates order by customer_ref, metric, period_start
