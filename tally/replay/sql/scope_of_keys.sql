-- The customers of the events asked for, each with the periods that these are dated to. Parameters: replay_id, tenant_id, keys.
insert into tally.replay_scope (replay_id, customer_ref, starts, ends, chunk)
select %(replay_id)s::uuid, customer_ref, min(period_start), max(period_end), 0
from ledger.int_usage_events_deduplicated
where tenant_id = %(tenant_id)s and idempotency_key = any (%(keys)s)
group by customer_ref
