-- Alerts: one row per fault from its first sight to its end, what became of it, and whom it was told. `tenant_id` is '*'
-- for what concerns the whole installation (the loop, the door, Dagster); no tenant can be called that.
create table tally.alerts (
    tenant_id     text        not null check (tenant_id <> ''),
    alert_id      bigint      generated always as identity,
    kind          text        not null check (kind ~ '^[a-z][a-z_]*$'),
    subject       text        not null,
    sentence      text        not null,
    state         text        not null default 'triggered'
        check (state in ('triggered', 'acknowledged', 'snoozed', 'resolved')),
    triggered_at  timestamptz not null,
    seen_at       timestamptz not null,
    snoozed_until timestamptz,
    resolved_at   timestamptz,
    resolved_by   text,
    primary key (tenant_id, alert_id),
    check ((state = 'snoozed') = (snoozed_until is not null)),
    check ((state = 'resolved') = (resolved_at is not null and resolved_by is not null))
);
create unique index alerts_open on tally.alerts (tenant_id, kind, subject) where state <> 'resolved';
create index alerts_by_fault on tally.alerts (tenant_id, kind, subject, alert_id);
comment on table tally.alerts is 'One row per fault of a (tenant, kind, subject) from when it was first found until it was over; one open at a time.';
comment on column tally.alerts.subject is 'What is faulty, by a name that stays the same while the fault lasts.';
comment on column tally.alerts.sentence is 'What to tell a person, as last found; it has the numbers.';
comment on column tally.alerts.seen_at is 'When an evaluation last found it.';
comment on column tally.alerts.resolved_by is 'Who said that it is over; "tally": it was not found any more.';

create table tally.alert_history (
    tenant_id text        not null,
    alert_id  bigint      not null,
    seq       bigint      generated always as identity,
    event     text        not null check (event in ('triggered', 'acknowledged', 'snoozed', 'snooze_over', 'resolved')),
    actor     text        not null check (actor <> ''),
    note      text        not null default '',
    at        timestamptz not null,
    primary key (tenant_id, alert_id, seq),
    foreign key (tenant_id, alert_id) references tally.alerts
);

-- A message is a row before it is sent: whoever dies in between leaves it waiting, and the next one sends it.
create table tally.alert_deliveries (
    tenant_id       text        not null,
    alert_id        bigint      not null,
    delivery_id     bigint      generated always as identity,
    channel         text        not null check (channel in ('slack', 'webhook', 'email')),
    notice          text        not null check (notice in ('triggered', 'reminder', 'resolved')),
    state           text        not null default 'waiting' check (state in ('waiting', 'sent', 'failed', 'dropped')),
    planned_at      timestamptz not null,
    attempts        integer     not null default 0,
    next_attempt_at timestamptz not null,
    sent_at         timestamptz,
    error           text,
    primary key (tenant_id, alert_id, delivery_id),
    foreign key (tenant_id, alert_id) references tally.alerts,
    check ((state = 'sent') = (sent_at is not null))
);
create index alert_deliveries_waiting on tally.alert_deliveries (tenant_id, next_attempt_at) where state = 'waiting';
comment on column tally.alert_deliveries.error is 'What went wrong last, without addresses and secrets.';
comment on column tally.alert_deliveries.state is 'failed: given up after many attempts; dropped: the channel is not set up any more.';

create table tally.alert_evaluators (
    tenant_id    text        not null default '*' check (tenant_id = '*'),
    evaluator    text        not null,
    evaluated_at timestamptz not null,
    primary key (tenant_id, evaluator)
);
comment on table tally.alert_evaluators is 'When each evaluator (dagster, loop, cli) last looked, by the database''s own time: who falls silent is found by the others.';

create table tally.alert_marks (
    tenant_id text        not null default '*' check (tenant_id = '*'),
    source    text        not null,
    value     numeric     not null,
    moved_at  timestamptz,
    primary key (tenant_id, source)
);
comment on table tally.alert_marks is 'A counter of somebody else''s as last read, and when it last grew.';

-- What a tenant wants to be told of its customers' usage. Declared in the file that `tally apply` reads.
create table tally.usage_alert_rules (
    tenant_id    text    not null,
    name         text    not null,
    kind         text    not null check (kind in ('threshold', 'spike', 'budget')),
    metric       text    not null,
    customer_ref text,
    quantity     numeric check (quantity > 0),
    amount       numeric check (amount > 0),
    currency     text,
    steps        integer[],
    factor       numeric check (factor > 1),
    minimum      numeric check (minimum >= 0),
    days         integer check (days between 1 and 90),
    active       boolean not null default true,
    primary key (tenant_id, name),
    foreign key (tenant_id, metric) references tally.meters,
    check (case kind
        when 'threshold' then quantity is not null
        when 'spike' then factor is not null and minimum is not null and days is not null
        else steps is not null and (quantity is null) <> (amount is null) and (amount is null) = (currency is null)
    end)
);
comment on table tally.usage_alert_rules is 'threshold: a period''s counter over quantity. spike: a day over factor times the mean of the days before, and over minimum. budget: steps (percent) of quantity or of amount.';
comment on column tally.usage_alert_rules.customer_ref is 'Whose usage; null: every customer''s, each by itself.';
comment on column tally.usage_alert_rules.amount is 'Major units of currency, e.g. 250.00.';
