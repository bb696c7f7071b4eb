, waiting as (
    select tenant_id, count(*) as landed_rows, min(landed_at) as oldest
    from raw.usage_events
    where xid >= coalesce((select min(read_to) from tally.model_bounds), '0'::xid8)
    group by tenant_id
),

by_label as (
    select tenant, coalesce(sum(landed_rows), 0) as landed_rows, min(oldest) as oldest
    from labelled
    left join waiting using (tenant_id)
    group by tenant
)

select 'tally_ledger_rows_waiting', array[tenant], landed_rows::float8 from by_label
union all
select 'tally_ledger_lag_seconds', array[tenant], greatest(0, coalesce(extract(epoch from tally.now() - oldest), 0))::float8
from by_label
