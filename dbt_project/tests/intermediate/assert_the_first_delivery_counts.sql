-- Rule: every landed key is in the ledger exactly once, as its first delivery by (xid, seq), with that delivery's customer,
-- metric, times and payload.
-- Relies on it: every counter. At stake: usage billed twice, never, to another customer, or from the wrong delivery.
-- Does not claim: that the door landed what it acknowledged; anything about days whose landed rows are archived.
with first_deliveries as (

    select distinct on (tenant_id, idempotency_key)
        tenant_id,
        idempotency_key,
        customer_ref,
        metric,
        event_time,
        landed_at,
        xid,
        seq,
        payload_hash
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
where
    (
        first_deliveries.xid, first_deliveries.seq, first_deliveries.payload_hash, first_deliveries.customer_ref,
        first_deliveries.metric, first_deliveries.event_time, first_deliveries.landed_at
    ) is distinct from (
        events.xid, events.seq, events.payload_hash, events.customer_ref,
        events.metric, events.event_time, events.landed_at
    )
    and not {{ landed_on_detached_day('events.landed_at') }}
