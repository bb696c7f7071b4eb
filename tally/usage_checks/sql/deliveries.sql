-- Of each open counter's deliveries, how many were repeats and how many came too late. "Open": its invoice may still change.
-- Parameters: now, least_deliveries (fewer tell nothing about a ratio).
select
    tenant_id,
    customer_ref,
    metric,
    period_start,
    deliveries,
    duplicates,
    round(duplicates::numeric / deliveries, 4) as duplicate_ratio,
    late_events,
    round(late_events::numeric / greatest(events, 1), 4) as late_ratio
from marts.usage_deliveries
where period_end > %(now)s - interval '35 days'
    and deliveries >= %(least_deliveries)s
order by tenant_id, customer_ref, metric, period_start
