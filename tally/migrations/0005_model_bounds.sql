-- How far each ledger model has read the landing transactions: written in the transaction of the rows it read.
create table tally.model_bounds (
    model             text        primary key,
    read_to           xid8        not null default '0',
    system_identifier text        not null,
    updated_at        timestamptz not null default now()
);
comment on column tally.model_bounds.read_to is 'Exclusive: every landed row with a smaller xid is in the model.';
comment on column tally.model_bounds.system_identifier is 'The cluster whose transaction ids these are; after a restore they mean nothing until re-stamped.';

-- The cluster's identity without superuser rights where the server allows it (pg_control_system is public to PG 15+).
create function tally.cluster_identifier() returns text language sql stable
    as $$ select system_identifier::text from pg_control_system() $$;

-- The schemas that dbt fills. Made here, so that a `dbt build` and a tick on a new database do not race to make them.
create schema staging;
create schema ledger;
create schema marts;
