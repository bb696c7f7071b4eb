-- Keys that came again with another payload and that nobody has decided about, by counter. Parameters: now.
select
    conflict.tenant_id,
    conflict.first_customer_ref as customer_ref,
    conflict.first_metric as metric,
    conflict.first_period_start as period_start,
    count(*) as conflicts,
    min(conflict.idempotency_key) as a_key,
    -- Its invoice is being made, or was: who decides now decides about money.
    coalesce(bool_or(delivery.period_end <= %(now)s), false) as has_ended
from ledger.int_usage_events_conflicts as conflict
left join tally.conflict_decisions as decision using (tenant_id, idempotency_key, xid, seq)
left join marts.usage_deliveries as delivery
    on conflict.tenant_id = delivery.tenant_id
    and conflict.first_customer_ref = delivery.customer_ref
    and conflict.first_metric = delivery.metric
    and conflict.first_period_start = delivery.period_start
where decision.decision is null
group by 1, 2, 3, 4
order by has_ended desc, conflicts desc, 1, 2, 3, 4
