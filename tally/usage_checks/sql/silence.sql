-- Every sender, a (customer, metric), against its own rhythm: how long it is silent, and how long it usually is.
-- Arrivals, not event times: who sends one file a night is not silent by day. Hours, because that is what is kept of them.
-- A sender is silent when nothing has come for `factor` times its usual gap (99 of 100 were no longer) and for longer
-- than ever in these days: a weekend without usage is a gap like others. Without enough gaps nothing is known of it.
-- Parameters: now, days, factor (where neither meter nor tenant declares one), least_gaps.
with arrivals as (

    select
        counter.tenant_id,
        counter.customer_ref,
        counter.metric,
        date_trunc('hour', hourly.last_landed_at, 'UTC') as arrived_in,
        max(hourly.last_landed_at) as last_landed_at
    from ledger.int_usage_counters as counter
    inner join marts.usage_hourly as hourly
        using (tenant_id, customer_ref, metric, period_start)
    where counter.period_end > %(now)s - make_interval(days => %(days)s)
        and hourly.hour_start > %(now)s - make_interval(days => %(days)s)
        and hourly.last_landed_at > %(now)s - make_interval(days => %(days)s)
    group by 1, 2, 3, 4

),

gaps as (

    select
        *,
        arrived_in - lag(arrived_in) over (
            partition by tenant_id, customer_ref, metric order by arrived_in
        ) as gap
    from arrivals

),

-- What has landed and is not counted yet has arrived all the same.
waiting as (

    select tenant_id, customer_ref, metric, max(landed_at) as last_landed_at
    from raw.usage_events
    where xid >= coalesce((select min(read_to) from tally.model_bounds), '0'::xid8)
    group by 1, 2, 3

),

senders as (

    select
        gaps.tenant_id,
        gaps.customer_ref,
        gaps.metric,
        greatest(max(gaps.last_landed_at), max(waiting.last_landed_at)) as last_arrival,
        count(gaps.gap) >= %(least_gaps)s as is_known,
        percentile_disc(0.99) within group (order by gaps.gap) as usual_gap,
        greatest(
            percentile_disc(0.99) within group (order by gaps.gap)
            * coalesce(min(limits.silence_factor), %(factor)s)::double precision,
            max(gaps.gap)
        ) + interval '1 hour' as silent_after
    from gaps
    left join waiting using (tenant_id, customer_ref, metric)
    left join tally.usage_check_limits as limits using (tenant_id, metric)
    group by 1, 2, 3

),

judged as (

    select
        *,
        %(now)s - last_arrival as silent_for,
        is_known and %(now)s - last_arrival > silent_after as is_silent
    from senders

)

select
    tenant_id,
    customer_ref,
    metric,
    last_arrival,
    silent_for,
    usual_gap,
    silent_after,
    is_known,
    is_silent,
    -- Nothing came from anybody for longer than some sender's limit, while several customers are known to send.
    max(last_arrival) over of_tenant < %(now)s - min(silent_after) filter (where is_known) over of_tenant
    and min(customer_ref) filter (where is_known) over of_tenant
    < max(customer_ref) filter (where is_known) over of_tenant as nobody_sends,
    bool_and(is_silent) filter (where is_known) over (partition by tenant_id, customer_ref) as customer_is_silent
from judged
window of_tenant as (partition by tenant_id)
order by is_silent desc, extract(epoch from silent_for) / extract(epoch from silent_after) desc nulls last, tenant_id, customer_ref, metric
