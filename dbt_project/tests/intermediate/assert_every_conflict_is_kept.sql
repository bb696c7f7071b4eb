-- Rule: a later delivery is among the conflicts exactly when its payload differs from the event's first one.
-- Relies on it: the decision a person takes about a conflict. At stake: a correction that an app sent and nobody saw.
with differing as (

    select deliveries.tenant_id, deliveries.idempotency_key, deliveries.xid, deliveries.seq
    from {{ ref('stg_usage_events') }} as deliveries
    inner join {{ ref('int_usage_events_deduplicated') }} as events using (tenant_id, idempotency_key)
    where deliveries.xid < {{ read_to(ref('int_usage_events_conflicts')) }}
        and deliveries.payload_hash is distinct from events.payload_hash

)

select
    tenant_id,
    idempotency_key,
    xid,
    seq,
    differing.differs is null as is_unfounded,
    conflicts.payload_hash is null as is_missing
from (select *, true as differs from differing) as differing
full join {{ ref('int_usage_events_conflicts') }} as conflicts using (tenant_id, idempotency_key, xid, seq)
where (differing.differs is null or conflicts.payload_hash is null)
    and not {{ landed_on_detached_day('conflicts.landed_at') }}
