-- The first delivery of an event and every one that differs from it, in the order in which they landed.
-- Parameters: tenant_id, idempotency_key.
with conflicts as (
    select *
    from ledger.int_usage_events_conflicts
    where tenant_id = %(tenant_id)s and idempotency_key = %(idempotency_key)s
),

deliveries as (
    select xid, seq, landed_at, customer_ref, metric, quantity, event_time, properties, payload_hash
    from conflicts
    union all
    select
        landed.xid, landed.seq, landed.landed_at, landed.customer_ref, landed.metric, landed.quantity, landed.event_time,
        landed.properties, event.payload_hash
    from ledger.int_usage_events_deduplicated as event
    inner join raw.usage_events as landed
        on event.xid = landed.xid
        and event.seq = landed.seq
        and event.tenant_id = landed.tenant_id
        and event.idempotency_key = landed.idempotency_key
    where
        event.tenant_id = %(tenant_id)s
        and event.idempotency_key = %(idempotency_key)s
        and exists (select from conflicts)
)

select
    row_number() over (order by delivery.xid, delivery.seq) as number,
    delivery.xid::text as xid,
    delivery.seq,
    delivery.landed_at,
    delivery.customer_ref,
    delivery.metric,
    trim_scale(delivery.quantity) as quantity,
    delivery.event_time,
    delivery.properties,
    tally.canonical_properties(delivery.properties) as canonical_properties,
    delivery.payload_hash::text as payload_hash,
    decision.decision,
    decision.replacement_key,
    decision.note,
    decision.decided_at,
    decision.decided_by
from deliveries as delivery
left join tally.conflict_decisions as decision
    on decision.tenant_id = %(tenant_id)s
    and decision.idempotency_key = %(idempotency_key)s
    and delivery.xid = decision.xid
    and delivery.seq = decision.seq
order by number
