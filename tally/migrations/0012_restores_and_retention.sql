-- A restore's new transaction ids, a relation at a time; and which days of landed rows are no longer in raw.usage_events.
create table tally.restamps (
    only_row     boolean     primary key default true check (only_row),
    from_cluster text        not null,
    to_cluster   text        not null,
    steps        xid8[]      not null,
    unread_from  bigint      not null,
    started_at   timestamptz not null default now(),
    finished_at  timestamptz
);
comment on table tally.restamps is 'The restamp under way or last done: docs/runbooks/restore.md.';
comment on column tally.restamps.steps is 'Old transaction ids, ascending. A row''s new id counts the steps up to its old one, so order and every bound survive.';
comment on column tally.restamps.unread_from is 'How many steps lie at or below the newest bound: from there on no model had read.';

create table tally.restamped_relations (
    relation     text        primary key,
    rows         bigint      not null,
    restamped_at timestamptz not null default now()
);
comment on table tally.restamped_relations is 'What the restamp under way has finished: committed with the rows, so that a killed one goes on where it stopped.';

-- 3 is the first id any cluster gives out, and initdb uses up some 700: these are below every id that a landing can have.
create function tally.restamped_xid(old xid8, steps xid8[], repeats boolean default false) returns xid8
language sql immutable parallel safe
    return (3 + 2 * width_bucket(old, steps) + repeats::integer)::text::xid8;
comment on function tally.restamped_xid is 'Of a first delivery 3, 5, 7, ...; of a repeat the even id behind it: the smallest (xid, seq) of a key stays the smallest.';

create schema archive;
comment on schema archive is 'Day partitions of landed rows that retention has detached. Nothing reads them.';

create table tally.detached_days (
    day         date        primary key,
    relation    text        not null unique,
    bytes       bigint      not null,
    detached_at timestamptz not null,
    dropped_at  timestamptz
);
comment on table tally.detached_days is 'UTC days whose landed rows are no longer in raw.usage_events: in schema archive, or dropped.';

create table tally.detached_deliveries (
    day        date   not null references tally.detached_days on delete cascade,
    tenant_id  text   not null,
    deliveries bigint not null,
    events     bigint not null,
    duplicates bigint not null,
    conflicts  bigint not null check (deliveries = events + duplicates + conflicts),
    primary key (day, tenant_id)
);
comment on table tally.detached_deliveries is 'What the detached rows were, so that deliveries still add up without them.';

create table tally.deleted_hours (
    tenant_id  text        primary key references tally.tenants,
    up_to      timestamptz not null,
    deleted_at timestamptz not null
);
comment on table tally.deleted_hours is 'Hourly usage of a tenant''s periods that ended at or before up_to is deleted; counters and events stay.';
