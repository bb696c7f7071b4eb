-- Every counter of an open period that Stripe may have been told about: what we know that it was told for certain
-- (`confirmed`), what may be on its way, and where Stripe's total is read.
-- Parameters: tenant_id, account, livemode, now.
with told as (
    select
        customer_ref,
        metric,
        period_start,
        coalesce(sum(value) filter (where state = 'confirmed'), 0) as confirmed,
        array_agg(intent_id) filter (
            where state in ('planned', 'sending', 'unknown', 'resolving', 'disputed')
        ) as open_intents,
        coalesce(bool_or(state = 'sending' and lease_until > clock_timestamp()), false) as is_being_sent,
        max(seq) as last_seq
    from tally.push_intents
    where tenant_id = %(tenant_id)s and account = %(account)s and livemode = %(livemode)s
    group by customer_ref, metric, period_start
)

select
    period.customer_ref,
    item.metric,
    period.period_start,
    period.period_end,
    min(item.event_name) as event_name,
    min(item.stripe_meter_id) as meter_id,
    min(item.stripe_customer_id) as stripe_customer_id,
    count(distinct item.stripe_customer_id) as stripe_customers,
    bool_or(item.formula = 'last') as is_absolute,
    coalesce(max(counter.value), 0) as counter_value,
    coalesce(max(told.confirmed), 0) as confirmed,
    coalesce((array_agg(told.open_intents::text))[1], '{}')::uuid [] as open_intents,
    coalesce(bool_or(told.is_being_sent), false) as is_being_sent,
    coalesce(max(told.last_seq), 0) as last_seq
from tally.stripe_subscription_items as item
inner join tally.customer_periods as period
    on item.tenant_id = period.tenant_id and item.customer_ref = period.customer_ref
left join told
    on period.customer_ref = told.customer_ref
    and item.metric = told.metric
    and period.period_start = told.period_start
left join marts.usage_counters as counter
    on period.tenant_id = counter.tenant_id
    and period.customer_ref = counter.customer_ref
    and item.metric = counter.metric
    and period.period_start = counter.period_start
left join tally.stripe_totals as total
    on period.tenant_id = total.tenant_id
    and total.account = %(account)s
    and total.livemode = %(livemode)s
    and period.customer_ref = total.customer_ref
    and item.metric = total.metric
    and period.period_start = total.period_start
where
    item.tenant_id = %(tenant_id)s
    and item.account = %(account)s
    and item.livemode = %(livemode)s
    and item.started_at < period.period_end
    and (item.ended_at is null or item.ended_at > period.period_start)
    and period.period_start <= %(now)s
    and not tally.period_is_closed(
        coalesce(period.closes_with, period.period_end), total.invoice_status, %(now)s
    )
group by period.customer_ref, item.metric, period.period_start, period.period_end
order by period.customer_ref, item.metric, period.period_start
