-- The customers asked for, each with the event times asked for. Parameters: replay_id, tenant_id, metrics, customers, since, until.
-- usage_deliveries has a row for every period that any delivery's event is dated to, counted or not.
insert into tally.replay_scope (replay_id, customer_ref, starts, ends, chunk)
select distinct %(replay_id)s::uuid, customer_ref, %(since)s::timestamptz, %(until)s::timestamptz, 0
from marts.usage_deliveries
where
    tenant_id = %(tenant_id)s
    and period_start < %(until)s and period_end > %(since)s
    and (%(metrics)s::text[] is null or metric = any (%(metrics)s))
    and (%(customers)s::text[] is null or customer_ref = any (%(customers)s))
