-- Reconciliation in money: what Stripe charges for an item, and what we make of a line's quantity under it.
create table tally.stripe_prices (
    tenant_id text        not null references tally.tenants,
    account   text        not null,
    livemode  boolean     not null,
    price_id  text        not null,
    price     jsonb       not null,
    read_at   timestamptz not null,
    primary key (tenant_id, account, livemode, price_id)
);
comment on column tally.stripe_prices.price is 'Stripe''s price object, its tiers included. What a price charges never changes at Stripe, so it is read once.';

create table tally.stripe_item_prices (
    tenant_id text        not null references tally.tenants,
    account   text        not null,
    livemode  boolean     not null,
    item_id   text        not null,
    from_at   timestamptz not null,
    price_id  text        not null,
    primary key (tenant_id, account, livemode, item_id, from_at)
);
comment on table tally.stripe_item_prices is 'One row per subscription item and price it has had: from the item''s start, or from the sync that first saw it.';

create table tally.priced_lines (
    tenant_id       text        not null references tally.tenants,
    account         text        not null,
    livemode        boolean     not null,
    customer_ref    text        not null,
    metric          text        not null,
    period_start    timestamptz not null,
    quantity        numeric     not null,
    amount          numeric,
    invoice_quantity numeric,
    expected_amount numeric,
    rounded_parts   integer,
    currency        text,
    price_id        text,
    fault           text,
    priced_at       timestamptz not null,
    primary key (tenant_id, account, livemode, customer_ref, metric, period_start)
);
comment on table tally.priced_lines is 'One row per line of Stripe''s totals: what its counted quantity, and its billed one, cost under the price in force. Amounts in minor units.';
comment on column tally.priced_lines.quantity is 'The counted quantity that `amount` is the price of; of a line that bills several segments, theirs together.';
comment on column tally.priced_lines.expected_amount is 'The price of the quantity that Stripe billed: apart from rounding, the invoice must say the same.';
comment on column tally.priced_lines.rounded_parts is 'How many roundings to the minor unit are in the amounts.';
comment on column tally.priced_lines.fault is 'Why there is no amount; null where there is one.';

alter table tally.stripe_totals
    add column invoice_item_ids     text[],
    add column invoice_price_ids    text[],
    add column invoice_line_count   integer,
    add column invoice_starts_at    timestamptz,
    add column invoice_ends_at      timestamptz,
    add column invoice_finalizes_at timestamptz,
    add column invoice_absent_at    timestamptz;
comment on column tally.stripe_totals.invoice_starts_at is 'Where the span of the billed lines begins: one line may bill several segments of a period, or a part of one.';
comment on column tally.stripe_totals.invoice_finalizes_at is 'Of a draft: when Stripe will make it final by itself. Null: not a draft, or held.';
comment on column tally.stripe_totals.invoice_absent_at is 'When Stripe was last asked and had no line; null while it has one, or was never asked.';

alter table tally.stripe_subscription_items add column trial_ends_at timestamptz;
comment on column tally.stripe_subscription_items.trial_ends_at is 'Until then the subscription bills nothing: usage is on its invoices, at 0.';

-- What is expected: per meter instead of per tenant, and how long Stripe may take to show what it accepted.
alter table tally.meters add column epsilon numeric check (epsilon >= 0 and epsilon < 1);
comment on column tally.meters.epsilon is 'Relative difference that business parity still calls equal for this metric; null: the tenant''s.';
alter table tally.tenants add column lag_budget interval not null default '15 minutes' check (lag_budget >= '0');
comment on column tally.tenants.lag_budget is 'How long Stripe''s totals may lack what Stripe accepted before that is a break.';
alter table tally.price_mappings add column price jsonb;
comment on column tally.price_mappings.price is 'The declared price, major units; what invoices are held against. Null: the price that Stripe''s subscription item has.';

create table tally.reconciliation_findings (
    tenant_id     text        not null references tally.tenants,
    account       text        not null,
    livemode      boolean     not null,
    customer_ref  text        not null,
    metric        text        not null,
    period_start  timestamptz not null,
    code          text        not null,
    cause         text        not null,
    first_seen_at timestamptz not null,
    last_seen_at  timestamptz not null,
    read_at       timestamptz,
    checks        integer     not null check (checks > 0),
    check_id      uuid        not null,
    primary key (tenant_id, account, livemode, customer_ref, metric, period_start)
);
comment on table tally.reconciliation_findings is 'Open findings, one row per line that does not agree; a line that agrees again has none. Not a history.';
comment on column tally.reconciliation_findings.checks is 'How many checks in a row, each with a reading of its own, found this code.';
comment on column tally.reconciliation_findings.check_id is 'The check that saw it last: what it did not see agrees again, and is deleted.';
comment on column tally.reconciliation_findings.read_at is 'Of the newest reading that was counted as a check.';

create table tally.stripe_reads (
    tenant_id text    not null references tally.tenants,
    account   text    not null,
    livemode  boolean not null,
    day       date    not null,
    purpose   text    not null,
    reads     bigint  not null check (reads >= 0),
    primary key (tenant_id, account, livemode, day, purpose)
);
comment on table tally.stripe_reads is 'GET requests to Stripe per UTC day and purpose (sync, totals). Stripe allows 500 per transaction in 30 days, at least 10,000.';

create table tally.reconciliation_sweeps (
    tenant_id  text        not null references tally.tenants,
    account    text        not null,
    livemode   boolean     not null,
    scope      text        not null,
    started_at timestamptz not null,
    primary key (tenant_id, account, livemode, scope)
);
comment on table tally.reconciliation_sweeps is 'Full readings that have begun and not ended: the next one of the same scope goes on where a killed one was.';
