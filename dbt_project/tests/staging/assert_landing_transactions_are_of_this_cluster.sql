-- Rule: no landed row carries a transaction id that this database cluster has not given out yet.
-- Relies on it: every ledger model; such a row lies beyond their bounds and would wait unread for months.
-- At stake: all usage landed before a dump and restore. Does not claim: that older rows were landed by this cluster.
select tenant_id, idempotency_key, landed_at, xid
from {{ ref('stg_usage_events') }}
where xid >= pg_snapshot_xmax(pg_current_snapshot())
