-- Each sender's newest 24 hours against the same hours of the weeks before: events, and the quantity they carry (a unit
-- mistaken in an app changes no count). The hours end with the sender's newest event, so that a nightly file is compared
-- with nightly files; whether it still sends at all is silence.sql's to say.
-- Spread: the median distance from the median, as a normal deviation, but no less than chance or a tenth explains.
-- Parameters: now, weeks (how far back), least_weeks, least_events (in the median week), factor (where neither
-- meter nor tenant declares one).
with sent as (

    select
        counter.tenant_id,
        counter.customer_ref,
        counter.metric,
        hourly.hour_start,
        hourly.event_count,
        hourly.quantity_sum,
        date_trunc('hour', max(hourly.last_event_time) over sender, 'UTC') as until
    from ledger.int_usage_counters as counter
    inner join marts.usage_hourly as hourly
        using (tenant_id, customer_ref, metric, period_start)
    where counter.period_end > %(now)s - make_interval(weeks => %(weeks)s + 1)
        and hourly.hour_start > %(now)s - make_interval(weeks => %(weeks)s + 1)
    window sender as (partition by counter.tenant_id, counter.customer_ref, counter.metric)

),

-- 0: the newest 24 hours; n: the same hours n weeks before.
slots as (

    select
        tenant_id,
        customer_ref,
        metric,
        until,
        hours_ago / 168 as week,
        sum(event_count) as events,
        sum(quantity_sum) as quantity
    from sent
    cross join lateral (
        select floor((extract(epoch from until - hour_start) - 1) / 3600)::integer as hours_ago
    ) as age
    where hour_start < until
        and hours_ago %% 168 < 24
        and until > %(now)s - interval '3 days'
    group by 1, 2, 3, 4, 5

),

-- A week without usage is a week of 0, once the sender has begun.
weeks as (

    select sender.tenant_id, sender.customer_ref, sender.metric, week.week
    from (
        select tenant_id, customer_ref, metric, max(week) as first_week
        from slots
        group by 1, 2, 3
    ) as sender
    cross join generate_series(0, least(sender.first_week, %(weeks)s)) as week (week)
    where sender.first_week >= %(least_weeks)s

),

measured as (

    select weeks.*, measure.what, measure.value
    from weeks
    left join slots using (tenant_id, customer_ref, metric, week)
    cross join lateral (
        values ('events', coalesce(slots.events, 0)), ('quantity', coalesce(slots.quantity, 0))
    ) as measure (what, value)

),

medians as (

    select
        tenant_id,
        customer_ref,
        metric,
        what,
        max(value) filter (where week = 0) as newest,
        min(value) filter (where week > 0) as least,
        max(value) filter (where week > 0) as greatest,
        count(*) filter (where week > 0) as weeks,
        percentile_disc(0.5) within group (order by value) filter (where week > 0) as median
    from measured
    group by 1, 2, 3, 4

),

spreads as (

    select
        medians.*,
        greatest(
            1.4826 * percentile_disc(0.5) within group (order by abs(measured.value - medians.median)),
            0.1 * abs(medians.median),
            case medians.what when 'events' then sqrt(abs(medians.median)) end
        ) as spread
    from medians
    inner join measured using (tenant_id, customer_ref, metric, what)
    where measured.week > 0
    group by medians.tenant_id, medians.customer_ref, medians.metric, medians.what, medians.newest, medians.least,
        medians.greatest, medians.weeks, medians.median

)

select
    tenant_id,
    customer_ref,
    metric,
    what,
    newest,
    median,
    least,
    greatest,
    weeks,
    round((newest - median) / nullif(spread, 0), 1) as deviations,
    abs(newest - median) > coalesce(limits.volume_factor, %(factor)s) * spread as is_unusual
from spreads
left join tally.usage_check_limits as limits using (tenant_id, metric)
where exists (
    select from medians as counts
    where counts.tenant_id = spreads.tenant_id
        and counts.customer_ref = spreads.customer_ref
        and counts.metric = spreads.metric
        and counts.what = 'events'
        and counts.median >= %(least_events)s
)
order by abs(newest - median) / nullif(spread, 0) desc nulls last, tenant_id, customer_ref, metric, what
