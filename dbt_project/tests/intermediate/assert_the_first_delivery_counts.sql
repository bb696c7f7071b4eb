-- Rule: every landed key is in the ledger exactly once, as its first delivery by (xid, seq), with that delivery's payload.
-- Relies on it: every counter. At stake: usage billed twice, never, or from the wrong delivery.
-- Does not claim: that the door landed what it acknowledged.
with first_deliveries as (

    select distinct on (tenant_id, idempotency_key) tenant_id, idempotency_key, xid, seq, payload_hash
    from {{ ref('stg_usage_events') }}
    where xid < {{ read_to(ref('int_usage_events_deduplicated')) }}
    order by tenant_id, idempotency_key, xid, seq

)

select
    tenant_id,
    idempotency_key,
    first_deliveries.xid as landed_xid,
    first_deliveries.seq as landed_seq,
    events.xid as ledger_xid,
    events.seq as ledger_seq
from first_deliveries
full join {{ ref('int_usage_events_deduplicated') }} as events using (tenant_id, idempotency_key)
where (first_deliveries.xid, first_deliveries.seq, first_deliveries.payload_hash)
    is distinct from (events.xid, events.seq, events.payload_hash)
