-- One row per event with conflicting deliveries. Parameters: tenant_id, open (whether only those that wait for a decision).
select
    conflict.idempotency_key,
    min(conflict.first_customer_ref) as customer_ref,
    min(conflict.first_metric) as metric,
    min(conflict.first_event_time) as event_time,
    count(*) as conflicting,
    count(*) filter (where decision.decision is null) as undecided,
    max(conflict.landed_at) as last_landed_at,
    max(decision.replacement_key) as replacement_key,
    (array_agg(decision.decided_by order by decision.decided_at desc nulls last))[1] as decided_by,
    max(decision.decided_at) as decided_at
from ledger.int_usage_events_conflicts as conflict
left join tally.conflict_decisions as decision using (tenant_id, idempotency_key, xid, seq)
where conflict.tenant_id = %(tenant_id)s
group by conflict.idempotency_key
having not %(open)s or count(*) filter (where decision.decision is null) > 0
order by max(conflict.landed_at), conflict.idempotency_key
