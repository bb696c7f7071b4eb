-- What is metered, for whom: written by `tally apply` from the reviewed configuration file.
create table tally.tenants (
    tenant_id  text        primary key check (tenant_id ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
    name       text        not null,
    time_zone  text        not null default 'UTC',
    epsilon    numeric     not null default 0.005 check (epsilon >= 0 and epsilon < 1),
    created_at timestamptz not null default now()
);
comment on column tally.tenants.time_zone is 'IANA zone: calendar periods of unmapped customers are cut in it.';
comment on column tally.tenants.epsilon is 'Relative difference that parity still calls equal; it raises alerts, it never decides that something was sent.';

create table tally.api_keys (
    key_id       text        primary key,
    tenant_id    text        not null references tally.tenants,
    name         text        not null,
    secret_hash  bytea       not null check (length(secret_hash) = 32),
    scopes       text[]      not null default '{events:write}',
    created_at   timestamptz not null default now(),
    expires_at   timestamptz,
    revoked_at   timestamptz
);
comment on column tally.api_keys.key_id is 'The public part of a key, for recognition: tly_<key_id>_<secret>.';
comment on column tally.api_keys.secret_hash is 'SHA-256 of the secret, 256 bits of randomness: the secret itself is shown once and kept nowhere.';

create table tally.meters (
    tenant_id       text     not null references tally.tenants,
    metric          text     not null check (metric ~ '^[a-z][a-z0-9_.]{0,99}$'),
    aggregation     text     not null check (aggregation in ('count', 'sum', 'min', 'max', 'last')),
    unit            text     not null default 'unit',
    description     text     not null default '',
    lateness_window interval not null default '48 hours' check (lateness_window >= '0'),
    primary key (tenant_id, metric)
);

create table tally.customers (
    tenant_id    text not null references tally.tenants,
    customer_ref text not null check (length(customer_ref) between 1 and 255),
    name         text not null default '',
    primary key (tenant_id, customer_ref)
);

-- A metric's counters go to the Stripe meter with this event name, in this account.
create table tally.price_mappings (
    tenant_id  text    not null,
    metric     text    not null,
    event_name text    not null check (length(event_name) between 1 and 100),
    account    text    not null default 'self',
    active     boolean not null default true,
    primary key (tenant_id, metric),
    unique (tenant_id, account, event_name),
    foreign key (tenant_id, metric) references tally.meters
);
comment on column tally.price_mappings.account is 'A connected account (acct_...), or "self" for the account of the API key.';
