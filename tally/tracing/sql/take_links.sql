-- The traced requests that a tick has just read, taken out. Those that an untraced tick read, or that nobody has read for
-- hours, go too, untold.
-- Parameters: read_from, read_to, most.
with taken as (
    delete from tally.trace_links
    where xid < %(read_to)s::xid8 or linked_at < clock_timestamp() - interval '6 hours'
    returning tenant_id, xid, traceparent, idempotency_keys
)

select tenant_id, xid::text as xid, traceparent, idempotency_keys
from taken
where xid >= %(read_from)s::xid8 and xid < %(read_to)s::xid8
order by xid, traceparent
limit %(most)s
