-- When the oldest landed row that a ledger model has not read yet landed; null: all are read.
-- Parameters: tenant_id.
select min(landed_at)
from raw.usage_events
where tenant_id = %(tenant_id)s
    and xid >= coalesce((select min(read_to) from tally.model_bounds), '0'::xid8)
