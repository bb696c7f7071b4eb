-- The door's one table: append-only, a partition a day, no index but the one the ledger reads by.
-- Source of the layout and its price: docs/decisions.md, "Landing".
create schema raw;
create schema tally;

create sequence raw.usage_events_seq cache 1000;

create table raw.usage_events (
    tenant_id       text        not null,
    idempotency_key text        not null,
    customer_ref    text        not null,
    metric          text        not null,
    -- NaN counts as larger than Infinity: one comparison each keeps both out, whoever inserts.
    quantity        numeric     not null check (quantity > '-Infinity' and quantity < 'Infinity'),
    event_time      timestamptz not null,
    properties      text,
    landed_at       timestamptz not null default now(),
    seq             bigint      not null default nextval('raw.usage_events_seq'),
    xid             xid8        not null default pg_current_xact_id()
) partition by range (landed_at);

create index usage_events_xid on raw.usage_events (xid);

comment on table raw.usage_events is 'One row per delivery of a usage event, as the door accepted it. Never updated, never deleted.';
comment on column raw.usage_events.properties is 'A JSON object as text, validated by the door; null when the event carried none.';
comment on column raw.usage_events.xid is 'The landing transaction: the ledger reads windows of it, so that no event is skipped.';

-- Rows of a day without a partition still land; `tally.ensure_partitions` keeps a week ahead, so this stays empty.
create table raw.usage_events_default partition of raw.usage_events default;

create function tally.ensure_partitions(first_day date, last_day date) returns integer
language plpgsql as $$
declare
    day date := first_day;
    made integer := 0;
begin
    perform pg_advisory_xact_lock(hashtext('tally.ensure_partitions'));
    while day <= last_day loop
        if to_regclass(format('raw.usage_events_%s', to_char(day, 'YYYYMMDD'))) is null
           and not exists (
               select from raw.usage_events_default
               where landed_at >= day::timestamp at time zone 'UTC'
                 and landed_at < (day + 1)::timestamp at time zone 'UTC'
           )
        then
            execute format(
                'create table raw.%I partition of raw.usage_events for values from (%L) to (%L)',
                'usage_events_' || to_char(day, 'YYYYMMDD'),
                day::timestamp at time zone 'UTC',
                (day + 1)::timestamp at time zone 'UTC'
            );
            made := made + 1;
        end if;
        day := day + 1;
    end loop;
    return made;
end;
$$;
comment on function tally.ensure_partitions is 'Makes the missing day partitions (UTC) of raw.usage_events; returns how many. A day whose rows already sit in the default partition stays there.';

-- Time in a demo or a test: one row, read by every process whose TALLY_CLOCK is "simulated".
create table tally.simulated_clock (
    only_row boolean     primary key default true check (only_row),
    now      timestamptz not null
);

-- Spelling apart, the same properties: key order and white space do not make a conflict, and none is the same as {}.
-- Parallel unsafe: an exception block is a subtransaction, which a parallel plan may not start.
create function tally.canonical_properties(properties text) returns text
language plpgsql immutable parallel unsafe as $$
begin
    return coalesce(properties::jsonb::text, '{}');
exception
    -- What jsonb cannot hold (\u0000, broken JSON put in by SQL) is compared as it stands: one event must never stop the ledger.
    when data_exception or program_limit_exceeded then
        return properties;
end;
$$;
