-- Of each open counter's deliveries, how many were repeats and how many came too late. "Open": its invoice may still change.
-- The limits are those of its meter or tenant; null: none is declared.
-- Parameters: now, least_deliveries (fewer tell nothing about a ratio).
select
    tenant_id,
    customer_ref,
    metric,
    period_start,
    deliveries,
    duplicates,
    round(duplicates::numeric / deliveries, 4) as duplicates_share,
    limits.duplicate_ratio as duplicates_limit,
    late_events,
    round(late_events::numeric / greatest(events, 1), 4) as late_events_share,
    limits.late_ratio as late_events_limit
from marts.usage_deliveries
left join tally.usage_check_limits as limits using (tenant_id, metric)
where period_end > %(now)s - interval '35 days'
    and deliveries >= %(least_deliveries)s
order by tenant_id, customer_ref, metric, period_start
