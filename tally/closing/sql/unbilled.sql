-- Counters of periods that ended so long ago that no draft can come any more, and that no invoice bills. In a trial none has to.
-- Parameters: tenant_id, account, livemode, now.
select
    counter.customer_ref,
    counter.metric,
    counter.period_start,
    counter.value as quantity
from marts.usage_counters as counter
inner join tally.price_mappings as mapping
    on counter.tenant_id = mapping.tenant_id and counter.metric = mapping.metric and mapping.active
left join tally.stripe_totals as total
    on counter.tenant_id = total.tenant_id
    and total.account = %(account)s
    and total.livemode = %(livemode)s
    and counter.customer_ref = total.customer_ref
    and counter.metric = total.metric
    and counter.period_start = total.period_start
left join tally.customer_periods as period
    on counter.tenant_id = period.tenant_id
    and counter.customer_ref = period.customer_ref
    and counter.period_start = period.period_start
where
    counter.tenant_id = %(tenant_id)s
    and mapping.account = %(account)s
    and counter.value > 0
    and counter.period_end > %(now)s - interval '60 days'
    and coalesce(period.closes_with, counter.period_end) <= %(now)s - interval '72 hours'
    and coalesce(total.invoice_status, 'preview') = 'preview'
    and exists (
        select from tally.stripe_subscription_items as item
        where
            item.tenant_id = counter.tenant_id
            and item.account = %(account)s
            and item.livemode = %(livemode)s
            and item.customer_ref = counter.customer_ref
            and item.metric = counter.metric
            and item.subscription_status not in ('incomplete', 'incomplete_expired')
            and item.started_at < counter.period_end
            and (item.ended_at is null or item.ended_at > counter.period_start)
            and not coalesce(
                counter.period_end <= item.trial_ends_at and counter.period_start >= item.trial_starts_at, false
            )
    )
order by counter.customer_ref, counter.metric, counter.period_start
