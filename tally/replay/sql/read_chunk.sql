-- The events of a chunk of customers as they stand, and all their deliveries that the ledger has read.
-- Parameters: replay_id, chunk, tenant_id, metrics, bound.
insert into replay_customers (customer_ref, starts, ends)
select customer_ref, starts, ends
from tally.replay_scope
where replay_id = %(replay_id)s and chunk = %(chunk)s;

analyze replay_customers;

insert into replay_events_before
select event.*
from ledger.int_usage_events_deduplicated as event
inner join replay_customers as scope on event.customer_ref = scope.customer_ref
where
    event.tenant_id = %(tenant_id)s
    and event.event_time >= scope.starts
    and event.event_time < scope.ends
    and (%(metrics)s::text[] is null or event.metric = any (%(metrics)s));

analyze replay_events_before;

insert into replay_stg_usage_events
select delivery.*
from staging.stg_usage_events as delivery
inner join replay_events_before as event
    on delivery.tenant_id = event.tenant_id and delivery.idempotency_key = event.idempotency_key
where
    delivery.tenant_id = %(tenant_id)s
    and delivery.xid < %(bound)s::text::xid8
    -- An event's first delivery has the smallest of its transactions.
    and delivery.xid >= coalesce((select min(xid) from replay_events_before), '0');

create index replay_deliveries_by_key on replay_stg_usage_events (tenant_id, idempotency_key);
analyze replay_stg_usage_events;

-- What cannot be read again, and what a person has decided about, stays as it was dated, measured and judged.
insert into replay_kept (tenant_id, idempotency_key, has_landed, is_decided)
select *
from (
    select
        event.tenant_id,
        event.idempotency_key,
        exists (
            select from replay_stg_usage_events as delivery
            where
                delivery.tenant_id = event.tenant_id
                and delivery.idempotency_key = event.idempotency_key
                and delivery.xid = event.xid
                and delivery.seq = event.seq
        ) as has_landed,
        exists (
            select from tally.adjustment_events as link
            inner join tally.adjustments as adjustment using (adjustment_id)
            where
                link.tenant_id = event.tenant_id
                and link.idempotency_key = event.idempotency_key
                and (adjustment.state <> 'pending' or adjustment.reason = 'conflict')
        ) as is_decided
    from replay_events_before as event
) as events
where not has_landed or is_decided;

analyze replay_kept;

insert into replay_stg_usage_events
    (tenant_id, idempotency_key, customer_ref, metric, quantity, event_time, landed_at, seq, xid, payload_hash)
select
    event.tenant_id, event.idempotency_key, event.customer_ref, event.metric, coalesce(event.quantity, 0), event.event_time,
    event.landed_at, event.seq, event.xid, event.payload_hash
from replay_events_before as event
inner join replay_kept as kept using (tenant_id, idempotency_key)
where not kept.has_landed;

insert into replay_int_usage_events_deduplicated
select event.*
from replay_events_before as event
inner join replay_kept as kept using (tenant_id, idempotency_key);

update replay_int_usage_events_deduplicated as event
set outcome = 'reversed'
from tally.event_reversals as reversal
where
    event.tenant_id = reversal.tenant_id
    and event.idempotency_key = reversal.idempotency_key
    and event.outcome <> 'unmetered'
