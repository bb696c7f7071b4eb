-- What there is to close, any tenant's: the last end of a period whose invoice is not final, open holds, rests under way, and
-- counters that take no more events and were told of by no invoice in full. Indexes only; no counter is worked out.
-- Parameters: now.
select
    (
        select max(period.period_end)
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
            period.period_end <= %(now)s
            and period.period_end > %(now)s - interval '4 days'
            and not tally.is_shadow(item.account)
            and item.started_at < period.period_end
            and (item.ended_at is null or item.ended_at > period.period_start)
            and coalesce(total.invoice_status not in ('open', 'paid', 'void', 'uncollectible'), true)
    ),
    exists (select from tally.invoice_holds where state in ('holding', 'held', 'releasing')),
    exists (select from tally.closing_rests where state in ('approved', 'sending')),
    -- Final invoices of counters whose lateness window ended since: worked out once, within the hour.
    exists (
        select from tally.stripe_totals as total
        inner join tally.meters as meter using (tenant_id, metric)
        where
            not tally.is_shadow(total.account)
            and total.invoice_status in ('open', 'paid', 'uncollectible', 'void')
            and total.period_end + meter.lateness_window between %(now)s - interval '2 hours' and %(now)s
    )
