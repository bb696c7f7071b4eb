-- Why usage booked into the counter of this period would be billed by nobody; null when it would be billed.
-- Parameters: tenant_id, customer_ref, metric, period_start, period_end, now.
with mapping as (
    select account, event_name
    from tally.price_mappings
    where tenant_id = %(tenant_id)s and metric = %(metric)s and active
),

items as (
    select
        item.subscription_status not in ('incomplete', 'incomplete_expired')
        and item.started_at < %(period_end)s
        and (item.ended_at is null or item.ended_at > %(period_start)s) as covers
    from tally.stripe_subscription_items as item
    inner join mapping on item.account = mapping.account and item.event_name = mapping.event_name
    where item.tenant_id = %(tenant_id)s and item.customer_ref = %(customer_ref)s and item.metric = %(metric)s
),

known_period as (
    select coalesce(closes_with, period_end) as billed_at
    from tally.customer_periods
    where
        tenant_id = %(tenant_id)s
        and customer_ref = %(customer_ref)s
        and period_start = %(period_start)s
        and period_end = %(period_end)s
),

-- A segment is billed with the rest of its billing period.
billed as (
    select coalesce((select billed_at from known_period), %(period_end)s::timestamptz) as at
),

invoices as (
    select total.invoice_status
    from tally.stripe_totals as total
    inner join mapping on total.account = mapping.account
    where
        total.tenant_id = %(tenant_id)s
        and total.customer_ref = %(customer_ref)s
        and total.metric = %(metric)s
        and total.period_start = %(period_start)s
)

select case
    when exists (select from items) and not exists (select from known_period)
        then 'it is no billing period that Stripe has for this customer'
    when exists (select from items) and not exists (select from items where covers)
        then 'no subscription of the customer bills the metric in it'
    when coalesce(
        (select bool_or(tally.period_is_closed(billed.at, invoices.invoice_status, %(now)s)) from invoices),
        tally.period_is_closed(billed.at, null, %(now)s)
    ) then 'its invoice is final'
    -- Stripe takes no event that is older.
    when billed.at < %(now)s - interval '34 days' then 'it ended more than 34 days ago'
end
from billed
