-- Rule: the events of one counter were all dated by the same billing period.
-- Relies on it: the window in which a counter is pushed and invoiced. At stake: usage of two periods on one invoice line.
-- A warning: it follows a change of the customer's subscription, and a person decides whether to rebuild.
{{ config(severity='warn') }}
select
    tenant_id,
    customer_ref,
    metric,
    period_start,
    min(period_end) as earliest_period_end,
    max(period_end) as latest_period_end
from {{ ref('int_usage_events_deduplicated') }}
group by 1, 2, 3, 4
having min(period_end) < max(period_end)
