-- Counters with late events that no adjustment stands for yet, or with a pending one for an event that is late no longer.
-- Both sides are joined whole: a replay may have made an event late, or not late, that was read long ago.
-- Parameters: tenant_id (null: every tenant).
select distinct late.tenant_id, late.customer_ref, late.metric, late.period_start
from ledger.int_usage_events_late as late
left join tally.adjustment_events as link
    on late.tenant_id = link.tenant_id and late.idempotency_key = link.idempotency_key
where
    link.adjustment_id is null
    and (%(tenant_id)s::text is null or late.tenant_id = %(tenant_id)s)
union
select adjustment.tenant_id, adjustment.customer_ref, adjustment.metric, adjustment.period_start
from tally.adjustments as adjustment
inner join tally.adjustment_events as link using (adjustment_id)
left join ledger.int_usage_events_late as late
    on link.tenant_id = late.tenant_id
    and link.idempotency_key = late.idempotency_key
    and adjustment.customer_ref = late.customer_ref
    and adjustment.metric = late.metric
    and adjustment.period_start = late.period_start
where
    adjustment.state = 'pending'
    and adjustment.reason = 'late_events'
    and late.idempotency_key is null
    and (%(tenant_id)s::text is null or adjustment.tenant_id = %(tenant_id)s)
order by 1, 2, 3, 4
