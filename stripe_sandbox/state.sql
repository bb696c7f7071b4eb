-- Everything the sandbox must still know after a kill -9. Every change commits before its answer leaves.
create table if not exists objects (
    seq integer primary key autoincrement,
    namespace text not null,      -- test, live, test:acct_1 …: what one key and account can see
    kind text not null,           -- Stripe's `object`
    id text not null,
    customer text,
    test_clock text,
    parent text,                  -- meter: event name; item and invoice: subscription; event: type
    due_at integer,               -- when billing must look at it next: period end, or finalization of a draft
    body text not null,           -- JSON; keys that start with _ never leave the sandbox
    unique (namespace, id)
);
create index if not exists objects_by_kind on objects (namespace, kind, seq);
create index if not exists objects_by_customer on objects (namespace, kind, customer);
create index if not exists objects_by_parent on objects (namespace, kind, parent);
create index if not exists objects_due_in_real_time on objects (due_at)
    where due_at is not null and test_clock is null;
create index if not exists test_clocks on objects (seq) where kind = 'test_helpers.test_clock';
create index if not exists objects_due on objects (namespace, test_clock, due_at) where due_at is not null;

-- Every arrival of a meter event, also the refused repetitions: the ledger that the oracle reads.
create table if not exists meter_events (
    seq integer primary key autoincrement,   -- order of receipt
    namespace text not null,
    identifier text not null,
    event_name text not null,
    payload text not null,
    timestamp integer not null,
    idempotency_key text,
    by_stream integer not null default 0,
    received_at real not null,
    apply_at real not null,
    outcome text not null,        -- pending, applied, dropped, cancelled, or duplicate (refused at the door)
    drop_code text,
    reported integer not null default 0,
    meter text,
    customer text,
    value text                    -- decimal as text: SQLite would make it a float
);
create index if not exists meter_events_by_identifier on meter_events (namespace, identifier);
create index if not exists meter_events_pending on meter_events (apply_at) where outcome = 'pending';
create index if not exists meter_events_unreported on meter_events (seq) where outcome = 'dropped' and reported = 0;
create index if not exists meter_events_by_use
    on meter_events (namespace, meter, customer, timestamp) where outcome = 'applied';

create table if not exists idempotent_answers (
    namespace text not null,
    key text not null,
    fingerprint text not null,
    status integer not null,
    body text not null,
    headers text not null,
    request_id text not null,
    stored_at real not null,
    primary key (namespace, key)
) without rowid;
create index if not exists idempotent_answers_by_age on idempotent_answers (stored_at);

create table if not exists webhook_deliveries (
    seq integer primary key autoincrement,
    namespace text not null,
    destination text not null,
    event text not null,
    attempts integer not null default 0,
    next_attempt_at real          -- null: delivered or given up
);
create index if not exists webhook_deliveries_due on webhook_deliveries (next_attempt_at)
    where next_attempt_at is not null;

create table if not exists settings (name text primary key, value text not null);
