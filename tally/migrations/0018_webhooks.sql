-- What Stripe told us by webhook. An event belongs to an account, which may bill for several tenants, so its key leads
-- with the account. Only names are kept, no bodies: whoever handles a webhook reads the object anew, so old and reordered
-- ones do no harm, and nobody's address lies about here.
create table tally.stripe_webhooks (
    account     text        not null,
    livemode    boolean     not null,
    event_id    text        not null check (length(event_id) <= 255),
    payload     text        not null check (payload in ('snapshot', 'thin')),
    type        text        not null check (length(type) <= 255),
    object_id   text        check (length(object_id) <= 255),
    created_at  timestamptz not null,
    received_at timestamptz not null default clock_timestamp(),
    state       text        not null default 'received' check (state in ('received', 'handled', 'failed', 'ignored')),
    attempts    integer     not null default 0,
    lease_until timestamptz,
    ended_at    timestamptz,
    outcome     text,
    primary key (account, livemode, event_id)
);
create index stripe_webhooks_waiting on tally.stripe_webhooks (account, livemode, received_at) where state = 'received';
comment on column tally.stripe_webhooks.account is '"self" for the account of the API key, or a connected one (acct_...).';
comment on column tally.stripe_webhooks.object_id is 'What the event is about (sub_..., in_..., a meter). Null where it names nothing.';
comment on column tally.stripe_webhooks.created_at is 'When it happened, by Stripe''s clock.';
comment on column tally.stripe_webhooks.lease_until is 'Real time of the database: until then the row belongs to the handler that claimed it, or waits out its back-off.';
comment on column tally.stripe_webhooks.outcome is 'For people: what was done, why it was ignored, or what went wrong last.';

-- Stripe accepts a meter event at once and may drop it later. A dropped intent is void, its value is back in the delta.
alter table tally.push_intents drop constraint push_intents_state_check;
alter table tally.push_intents
    add constraint push_intents_state_check check (state in (
        'planned', 'sending', 'unknown', 'resolving', 'disputed', 'confirmed', 'refused', 'missing', 'cancelled', 'rejected'
    )),
    add column rejected_at timestamptz,
    add column rejected_code text;
create index push_intents_dropped on tally.push_intents (tenant_id, account, livemode, customer_ref, metric, period_start)
    where rejected_at is not null;
comment on column tally.push_intents.rejected_code is 'Stripe''s code for why it dropped the event; kept when the intent is released.';

create or replace view tally.push_ledger as
select
    tenant_id, account, livemode, customer_ref, metric, period_start,
    max(period_end) as period_end, -- Stripe may move a period's end between two pushes
    coalesce(sum(value) filter (where state = 'confirmed'), 0) as confirmed_quantity,
    coalesce(sum(value) filter (where state in ('planned', 'sending', 'unknown', 'resolving', 'disputed')), 0) as in_flight_quantity,
    coalesce(sum(value) filter (where state not in ('refused', 'missing', 'cancelled', 'rejected')), 0) as told_quantity,
    count(*) as intents,
    count(*) filter (where state in ('refused', 'missing', 'cancelled', 'rejected')) as void_intents,
    max(seq) as last_seq,
    max(state) filter (where state in ('planned', 'sending', 'unknown', 'resolving', 'disputed')) as open_state,
    max(confirmed_at) as last_confirmed_at
from tally.push_intents
group by tenant_id, account, livemode, customer_ref, metric, period_start;

-- A meter that Stripe does not have, or has archived, swallows events: nothing is planned for it until it is back.
create table tally.mapping_pauses (
    tenant_id  text        not null references tally.tenants,
    account    text        not null,
    livemode   boolean     not null,
    event_name text        not null,
    code       text        not null,
    reason     text        not null,
    event_id   text        not null,
    paused_at  timestamptz not null,
    primary key (tenant_id, account, livemode, event_name)
);

create table tally.meter_error_reports (
    tenant_id    text        not null references tally.tenants,
    account      text        not null,
    livemode     boolean     not null,
    event_id     text        not null,
    code         text        not null,
    event_name   text,
    error_count  bigint      not null,
    sampled      integer     not null,
    rejected     integer     not null,
    questioned   integer     not null default 0,
    message      text        not null,
    window_start timestamptz not null,
    window_end   timestamptz not null,
    reported_at  timestamptz not null,
    primary key (tenant_id, account, livemode, event_id, code)
);
comment on table tally.meter_error_reports is 'What Stripe says it dropped, per report and code. Reports count all errors and name some.';
comment on column tally.meter_error_reports.sampled is 'Errors that the report names; rejected: those of them that are intents of this tenant.';
comment on column tally.meter_error_reports.questioned is 'Intents put back to resolving because more errors were counted than named, and the meter''s total reads as without them.';
comment on column tally.meter_error_reports.event_name is 'The meter''s. Null where neither the report nor an intent tells it.';
