-- The push ledger. States and cases: docs/decisions.md, "Push is a ledger". Invariant, per counter and account:
-- sum(value) of intents not in (refused, missing, cancelled) = what Stripe has been told, or may have been.
create table tally.push_intents (
    intent_id          uuid        primary key default gen_random_uuid(),
    tenant_id          text        not null references tally.tenants,
    account            text        not null,
    livemode           boolean     not null,
    customer_ref       text        not null,
    metric             text        not null,
    period_start       timestamptz not null,
    period_end         timestamptz not null,
    seq                integer     not null check (seq > 0),
    value              numeric     not null check (value <> 0),
    counter_value      numeric     not null,
    event_name         text        not null,
    stripe_customer_id text        not null,
    event_ts           timestamptz not null,
    identifier         text        not null unique check (length(identifier) <= 100),
    state              text        not null default 'planned' check (state in (
        'planned', 'sending', 'unknown', 'resolving', 'disputed', 'confirmed', 'refused', 'missing', 'cancelled'
    )),
    attempts           integer     not null default 0,
    lease_until        timestamptz,
    planned_at         timestamptz not null,
    first_attempt_at   timestamptz,
    last_attempt_at    timestamptz,
    confirmed_at       timestamptz,
    confirmed_by       text check (confirmed_by in ('answer', 'duplicate', 'summary', 'operator')),
    last_error         text,
    absent_since       timestamptz,
    absent_reads       integer     not null default 0,
    unique (tenant_id, account, livemode, customer_ref, metric, period_start, seq)
);
create unique index push_intents_one_open on tally.push_intents
    (tenant_id, account, livemode, customer_ref, metric, period_start)
    where state in ('planned', 'sending', 'unknown', 'resolving', 'disputed');
create index push_intents_by_period on tally.push_intents (tenant_id, account, livemode, period_end);
create index push_intents_to_deliver on tally.push_intents (tenant_id, account, livemode, planned_at)
    where state in ('planned', 'sending', 'unknown');

comment on column tally.push_intents.lease_until is 'Real time of the database: until then the row belongs to the pusher that claimed it, or waits out its back-off.';
comment on column tally.push_intents.first_attempt_at is 'The clock''s time. 20 hours later the identifier is never sent again: Stripe may have forgotten it.';
comment on column tally.push_intents.absent_since is 'Resolving only: since when Stripe''s summary has read as if this intent had never arrived, and over how many reads.';

-- Usage of a closed period bills nowhere: its invoice is final, or its draft cannot be open any more (Stripe's longest grace is 72 hours).
create function tally.period_is_closed(period_end timestamptz, invoice_status text, at timestamptz) returns boolean
language sql immutable
    return coalesce(invoice_status in ('open', 'paid', 'void', 'uncollectible'), false)
        or (at >= period_end + interval '72 hours' and invoice_status is distinct from 'draft');

create function tally.push_intent_is_immutable() returns trigger language plpgsql as $$
begin
    if row(new.tenant_id, new.account, new.livemode, new.customer_ref, new.metric, new.period_start, new.period_end, new.seq,
           new.value, new.counter_value, new.event_name, new.stripe_customer_id, new.event_ts, new.identifier)
       is distinct from
       row(old.tenant_id, old.account, old.livemode, old.customer_ref, old.metric, old.period_start, old.period_end, old.seq,
           old.value, old.counter_value, old.event_name, old.stripe_customer_id, old.event_ts, old.identifier)
    then
        raise exception 'push intent % is immutable: an identifier always means the same payload', old.identifier;
    end if;
    return new;
end;
$$;
create trigger push_intent_is_immutable before update on tally.push_intents
    for each row execute function tally.push_intent_is_immutable();

create table tally.push_attempts (
    intent_id       uuid        not null references tally.push_intents,
    attempt         integer     not null check (attempt > 0),
    idempotency_key text        not null,
    started_at      timestamptz not null,
    ended_at        timestamptz,
    outcome         text check (outcome in ('accepted', 'duplicate', 'refused', 'unknown')),
    http_status     integer,
    request_id      text,
    error           text,
    primary key (intent_id, attempt)
);

-- One row a counter: what was counted, told, and is on its way. `select * from tally.push_ledger` reads the whole story.
create view tally.push_ledger as
select
    tenant_id, account, livemode, customer_ref, metric, period_start,
    max(period_end) as period_end, -- Stripe may move a period's end between two pushes
    coalesce(sum(value) filter (where state = 'confirmed'), 0) as confirmed_quantity,
    coalesce(sum(value) filter (where state in ('planned', 'sending', 'unknown', 'resolving', 'disputed')), 0) as in_flight_quantity,
    coalesce(sum(value) filter (where state not in ('refused', 'missing', 'cancelled')), 0) as told_quantity,
    count(*) as intents,
    count(*) filter (where state in ('refused', 'missing', 'cancelled')) as void_intents,
    max(seq) as last_seq,
    max(state) filter (where state in ('planned', 'sending', 'unknown', 'resolving', 'disputed')) as open_state,
    max(confirmed_at) as last_confirmed_at
from tally.push_intents
group by tenant_id, account, livemode, customer_ref, metric, period_start;
