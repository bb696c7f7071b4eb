-- One row per draft: what of the counters that it bills is not settled yet, in words; null: all is.
-- Parameters: tenant_id, account, livemode.
select
    total.invoice_id,
    min(total.customer_ref) as customer_ref,
    max(coalesce(period.closes_with, total.period_end)) as period_end,
    coalesce(array_agg(total.metric || ': ' || unsettled.why order by total.metric) filter (where unsettled.why is not null), '{}')
        as unsettled
from tally.stripe_totals as total
left join marts.reconciliation_lines as line
    using (tenant_id, account, livemode, customer_ref, metric, period_start)
left join tally.customer_periods as period
    using (tenant_id, customer_ref, period_start)
cross join lateral (
    select case
        when line.integrity_verdict = 'unmapped' then null
        when line.integrity_verdict = 'break' or line.in_flight_quantity <> 0 or line.stripe_quantity is null
            then coalesce(line.cause, 'not reconciled yet')
        -- Everything was told; Stripe may still lag by a little, and what is within epsilon stops no invoice.
        when abs(coalesce(line.local_quantity, 0) - line.stripe_quantity)
            > line.epsilon * greatest(abs(coalesce(line.local_quantity, 0)), abs(line.stripe_quantity))
            then coalesce(line.cause, 'Stripe''s total differs')
    end as why
) as unsettled
where
    total.tenant_id = %(tenant_id)s
    and total.account = %(account)s
    and total.livemode = %(livemode)s
    and total.invoice_status = 'draft'
group by total.invoice_id
order by period_end, total.invoice_id
