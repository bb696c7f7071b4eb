-- Today and yesterday (the tenant's days) against the mean of the days before each. A day without usage counts as 0, but
-- for the days before the customer's first usage of the metric: who is new has no rhythm to break.
with tenant as (
    select (%(now)s::timestamptz at time zone time_zone)::date as today from tally.tenants where tenant_id = %(tenant_id)s
),

days as (
    select customer_ref, day, sum(value) as value
    from marts.usage_daily, tenant
    where tenant_id = %(tenant_id)s and metric = %(metric)s
      and (%(customer_ref)s::text is null or customer_ref = %(customer_ref)s)
      and day between tenant.today - %(days)s - 1 and tenant.today
    group by customer_ref, day
),

firsts as (
    select customer_ref, min(day) as first_day from marts.usage_daily
    where tenant_id = %(tenant_id)s and metric = %(metric)s
    group by customer_ref
),

judged as (
    select
        late.customer_ref,
        late.day,
        late.value,
        (
            select sum(earlier.value) from days as earlier
            where earlier.customer_ref = late.customer_ref
              and earlier.day >= late.day - %(days)s and earlier.day < late.day
        ) / nullif(least(%(days)s, late.day - firsts.first_day), 0) as mean
    from days as late
    inner join firsts using (customer_ref)
    inner join tenant on late.day >= tenant.today - 1
)

select customer_ref, day, value, mean from judged
where value >= %(minimum)s and value > %(factor)s * mean
order by value desc, customer_ref, day
limit %(limit)s
