-- From when on a usage check speaks is one setting for the installation, unless the tenant or one of its meters says
-- otherwise: a nightly batch that is always sent twice is no fault of the others.
alter table tally.tenants
    add column silence_factor  numeric check (silence_factor > 1 and silence_factor <= 1000),
    add column volume_factor   numeric check (volume_factor > 0 and volume_factor <= 1000),
    add column duplicate_ratio numeric check (duplicate_ratio between 0 and 1),
    add column late_ratio      numeric check (late_ratio between 0 and 1);
alter table tally.meters
    add column silence_factor  numeric check (silence_factor > 1 and silence_factor <= 1000),
    add column volume_factor   numeric check (volume_factor > 0 and volume_factor <= 1000),
    add column duplicate_ratio numeric check (duplicate_ratio between 0 and 1),
    add column late_ratio      numeric check (late_ratio between 0 and 1);
comment on column tally.tenants.silence_factor is 'Silent after so many times a sender''s usual gap. Null: TALLY_SILENCE_FACTOR.';
comment on column tally.tenants.volume_factor is 'Unusual so many deviations from the weeks before. Null: TALLY_VOLUME_FACTOR.';
comment on column tally.tenants.duplicate_ratio is 'Share of deliveries that may be repeats. Null: TALLY_DUPLICATE_RATIO.';
comment on column tally.tenants.late_ratio is 'Share of events that may come too late. Null: TALLY_LATE_RATIO.';
comment on column tally.meters.silence_factor is 'As the tenant''s, before it. Null: the tenant''s.';
comment on column tally.meters.volume_factor is 'As the tenant''s, before it. Null: the tenant''s.';
comment on column tally.meters.duplicate_ratio is 'As the tenant''s, before it. Null: the tenant''s.';
comment on column tally.meters.late_ratio is 'As the tenant''s, before it. Null: the tenant''s.';

create view tally.usage_check_limits as
select
    meters.tenant_id,
    meters.metric,
    coalesce(meters.silence_factor, tenants.silence_factor) as silence_factor,
    coalesce(meters.volume_factor, tenants.volume_factor) as volume_factor,
    coalesce(meters.duplicate_ratio, tenants.duplicate_ratio) as duplicate_ratio,
    coalesce(meters.late_ratio, tenants.late_ratio) as late_ratio
from tally.meters
inner join tally.tenants using (tenant_id);
comment on view tally.usage_check_limits is 'One row per meter: the limits of the usage checks that it or its tenant declares. Null: the setting.';

-- Only a table's owner may analyze it, and who reconciles is not that. Postgres 17 has a privilege for it, MAINTAIN, but
-- we run on 15, and it would let its holder lock, rewrite and reindex the table too.
create function tally.analyze_table(relation regclass) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    if not exists (
        select from pg_class as found
        inner join pg_namespace as namespace on namespace.oid = found.relnamespace
        where found.oid = relation and found.relkind = 'r'
            and namespace.nspname in ('raw', 'tally', 'staging', 'ledger', 'marts')
    ) then
        raise exception '% is no table of the ledger or of tally', relation;
    end if;
    execute format('analyze %s', relation);
end
$$;
comment on function tally.analyze_table is 'Renews the planner''s statistics of one of our tables, with its owner''s rights.';
