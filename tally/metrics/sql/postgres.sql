-- Transaction ids are the cluster's: a writer in any database of it holds the ledger's bound back.
, writers as (
    select xact_start as began from pg_stat_activity where backend_xid is not null and pid <> pg_backend_pid()
    union all
    select prepared from pg_prepared_xacts
)

select
    'tally_postgres_oldest_write_transaction_age_seconds',
    '{}'::text[],
    coalesce(greatest(0, extract(epoch from clock_timestamp() - min(began))), 0)::float8
from writers
union all
select 'tally_postgres_connections', '{}', count(*)::float8 from pg_stat_activity where backend_type = 'client backend'
union all
select 'tally_postgres_max_connections', '{}', current_setting('max_connections')::float8
