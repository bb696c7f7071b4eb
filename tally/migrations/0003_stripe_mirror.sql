-- What Stripe says: customers, subscription items and their periods, as of the last sync. Stripe is the truth here.
create table tally.stripe_subscription_items (
    account              text        not null,
    livemode             boolean     not null,
    item_id              text        not null,
    tenant_id            text        not null references tally.tenants,
    customer_ref         text        not null,
    metric               text        not null,
    subscription_id      text        not null,
    subscription_status  text        not null,
    stripe_customer_id   text        not null,
    stripe_meter_id      text        not null,
    event_name           text        not null,
    price_id             text        not null,
    billing_cycle_anchor timestamptz not null,
    started_at           timestamptz not null,
    ended_at             timestamptz,
    current_period_start timestamptz not null,
    current_period_end   timestamptz not null check (current_period_end > current_period_start),
    synced_at            timestamptz not null,
    primary key (tenant_id, account, livemode, item_id)
);
create index stripe_subscription_items_counter on tally.stripe_subscription_items (tenant_id, customer_ref, metric);

-- Subscription prices whose meter no mapping names, customers that no customer_ref names: listed, never dropped in silence.
create table tally.stripe_unmapped (
    tenant_id text        not null references tally.tenants,
    account   text        not null,
    livemode  boolean     not null,
    object_id text        not null,
    reason    text        not null,
    seen_at   timestamptz not null,
    primary key (tenant_id, account, livemode, object_id)
);

create table tally.customer_periods (
    tenant_id    text        not null references tally.tenants,
    customer_ref text        not null,
    period_start timestamptz not null,
    period_end   timestamptz not null,
    origin       text        not null check (origin in ('stripe', 'projected')),
    primary key (tenant_id, customer_ref, period_start),
    check (period_end > period_start),
    -- btree_gist is not everywhere, and ranges need no extension: a customer is a one-point range of a 64-bit hash.
    constraint customer_periods_do_not_overlap exclude using gist (
        int8range(
            hashtextextended(tenant_id || E'\x1f' || customer_ref, 0),
            hashtextextended(tenant_id || E'\x1f' || customer_ref, 0),
            '[]'
        ) with &&,
        tstzrange(period_start, period_end) with &&
    )
);
comment on table tally.customer_periods is 'One row per customer and billing period [start, end); "projected" ones are computed ahead from the anchor and confirmed by a later sync.';

create table tally.stripe_totals (
    tenant_id          text        not null references tally.tenants,
    account            text        not null,
    livemode           boolean     not null,
    customer_ref       text        not null,
    metric             text        not null,
    period_start       timestamptz not null,
    period_end         timestamptz not null,
    summary_quantity   numeric,
    summary_read_at    timestamptz,
    invoice_id         text,
    invoice_line_id    text,
    invoice_status     text,
    invoice_quantity   numeric,
    invoice_amount     numeric,
    invoice_currency   text,
    invoice_read_at    timestamptz,
    primary key (tenant_id, account, livemode, customer_ref, metric, period_start)
);
comment on table tally.stripe_totals is 'One row per counter and Stripe mode: the meter summary and the invoice line (or preview) as last read. Null is "not read", which is never zero.';
comment on column tally.stripe_totals.invoice_status is 'preview, draft, open, paid, void or uncollectible.';
