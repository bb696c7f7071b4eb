-- Replays: what was asked, what it would change, and whether it was applied. The counting itself happens in temporary tables.
create table tally.replays (
    replay_id  uuid        primary key default gen_random_uuid(),
    tenant_id  text        not null references tally.tenants,
    request    jsonb       not null,
    since      timestamptz not null,
    until      timestamptz not null check (until > since),
    asked_by   text        not null check (asked_by <> ''),
    created_at timestamptz not null default now(),
    state      text        not null default 'computing' check (state in ('computing', 'shown', 'applied', 'refused')),
    hash       text,
    summary    jsonb,
    applied_by text        check (applied_by <> ''),
    applied_at timestamptz,
    check ((state = 'applied') = (applied_at is not null)),
    check ((applied_at is null) = (applied_by is null)),
    check ((state = 'computing') = (hash is null))
);
create index replays_of_tenant on tally.replays (tenant_id, created_at);
comment on table tally.replays is 'One row per replay: computing (its process may have died: the same request goes on), shown, applied, or refused because the ledger had changed since it was shown.';
comment on column tally.replays.request is 'As asked. `since` and `until` of the row are what its times meant then.';
comment on column tally.replays.hash is 'SHA-256 over the difference that was shown; applying by it applies this difference or nothing.';

create table tally.replay_scope (
    replay_id    uuid        not null references tally.replays on delete cascade,
    customer_ref text        not null,
    starts       timestamptz not null,
    ends         timestamptz not null,
    chunk        integer     not null,
    done         boolean     not null default false,
    primary key (replay_id, customer_ref)
);
comment on table tally.replay_scope is 'The event times of each customer that are counted anew: what was asked, extended to whole periods, as dated before and after.';

create table tally.replay_events (
    replay_id       uuid   not null references tally.replays on delete cascade,
    customer_ref    text   not null,
    metric          text   not null,
    events          bigint not null,
    late_events     bigint not null,
    without_landing bigint not null,
    decided         bigint not null,
    primary key (replay_id, customer_ref, metric)
);
comment on table tally.replay_events is 'Events in scope. Those whose landed rows are gone, and those in an adjustment that was decided, keep their period and outcome.';

create table tally.replay_changes (
    replay_id     uuid        not null references tally.replays on delete cascade,
    customer_ref  text        not null,
    metric        text        not null,
    period_start  timestamptz not null,
    period_end    timestamptz,
    closes_at     timestamptz,
    value_before  numeric,
    value_after   numeric,
    events_before bigint      not null,
    events_after  bigint      not null,
    late_before   bigint      not null,
    late_after    bigint      not null,
    moved         bigint      not null,
    told          numeric,
    would_push    numeric,
    is_closed     boolean     not null,
    is_held       boolean     not null,
    primary key (replay_id, customer_ref, metric, period_start)
);
comment on table tally.replay_changes is 'What a replay changes, per counter. Values are null where there is no counter.';
comment on column tally.replay_changes.moved is 'Events whose period, outcome or measured value differs, out of this counter or into it.';
comment on column tally.replay_changes.is_held is 'Not applied: it, or a counter that shares moved events with it, is closed.';
