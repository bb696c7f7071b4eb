-- Events of the chunk that are dated, measured or judged otherwise than before.
insert into replay_moves (tenant_id, idempotency_key, customer_ref, metric, old_start, new_start)
select after.tenant_id, after.idempotency_key, after.customer_ref, after.metric, before.period_start, after.period_start
from replay_events_before as before
inner join replay_int_usage_events_deduplicated as after using (tenant_id, idempotency_key)
where before is distinct from after;

analyze replay_moves
