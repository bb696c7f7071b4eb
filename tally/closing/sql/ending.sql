-- Starts of the periods that have ended and whose invoice has not been read as final: their totals still move.
-- Parameters: tenant_id, account, livemode, now, look_back.
select distinct period.period_start
from tally.customer_periods as period
inner join tally.stripe_subscription_items as item
    on period.tenant_id = item.tenant_id and period.customer_ref = item.customer_ref
left join tally.stripe_totals as total
    on period.tenant_id = total.tenant_id
    and item.account = total.account
    and item.livemode = total.livemode
    and period.customer_ref = total.customer_ref
    and item.metric = total.metric
    and period.period_start = total.period_start
where
    period.tenant_id = %(tenant_id)s
    and item.account = %(account)s
    and item.livemode = %(livemode)s
    and period.period_end <= %(now)s
    -- A held draft stays one for as long as it is held.
    and (period.period_end > %(now)s - %(look_back)s or total.invoice_status = 'draft')
    and item.started_at < period.period_end
    and (item.ended_at is null or item.ended_at > period.period_start)
    and coalesce(total.invoice_status not in ('open', 'paid', 'void', 'uncollectible'), true)
order by period.period_start
