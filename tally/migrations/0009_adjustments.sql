-- Signed, reasoned corrections of a counter. Nothing here is edited or deleted: a revert is a row of its own.
create table tally.adjustments (
    adjustment_id     uuid        primary key default gen_random_uuid(),
    tenant_id         text        not null references tally.tenants,
    customer_ref      text        not null,
    metric            text        not null,
    period_start      timestamptz not null,
    period_end        timestamptz not null check (period_end > period_start),
    amount            numeric     not null check (amount > '-Infinity' and amount < 'Infinity' and scale(amount) <= 12),
    reason            text        not null check (reason in (
        'late_events', 'conflict', 'correction', 'goodwill', 'billing_error', 'revert'
    )),
    note              text        not null default '',
    state             text        not null default 'pending' check (state in ('pending', 'approved', 'reverted', 'rejected')),
    created_at        timestamptz not null,
    created_by        text        not null check (created_by <> ''),
    decided_at        timestamptz,
    decided_by        text        check (decided_by <> ''),
    booked_start      timestamptz,
    booked_end        timestamptz,
    reverts           uuid        unique references tally.adjustments,
    check ((state in ('approved', 'reverted')) = (booked_start is not null)),
    check ((booked_start is null) = (booked_end is null)),
    check ((state = 'pending') = (decided_at is null)),
    check ((decided_at is null) = (decided_by is null)),
    check ((reason = 'revert') = (reverts is not null)),
    foreign key (tenant_id, metric) references tally.meters
);
create index adjustments_of_counter on tally.adjustments (tenant_id, customer_ref, metric, period_start);
create index adjustments_booked on tally.adjustments (tenant_id, customer_ref, metric, booked_start)
    where booked_start is not null;
-- Late usage of one counter waits in one place.
create unique index adjustments_one_pending_for_late_events on tally.adjustments
    (tenant_id, customer_ref, metric, period_start) where state = 'pending' and reason = 'late_events';
comment on table tally.adjustments is 'Corrections of counters: pending until a person decides; approved ones are part of the counter of [booked_start, booked_end).';
comment on column tally.adjustments.period_start is 'The period that the correction is about.';
comment on column tally.adjustments.amount is 'What it adds to the counter''s value, in the meter''s unit; may be negative.';
comment on column tally.adjustments.booked_start is 'The period whose counter it was booked into when it was approved.';
comment on column tally.adjustments.reverts is 'The approved adjustment whose amount this one takes back, to exactly zero.';

create table tally.adjustment_events (
    tenant_id       text not null,
    idempotency_key text not null,
    adjustment_id   uuid not null references tally.adjustments,
    primary key (tenant_id, idempotency_key, adjustment_id)
);
create index adjustment_events_of_adjustment on tally.adjustment_events (adjustment_id);
comment on table tally.adjustment_events is 'Which events an adjustment stands for, both ways: late ones, or the two of a conflict.';

alter table tally.tenants
    add column adjustments_book_into text not null default 'current_period'
        check (adjustments_book_into in ('own_period_if_open', 'current_period', 'next_period')),
    add column adjustments_need_second_person boolean not null default false;
comment on column tally.tenants.adjustments_book_into is 'Where an approved adjustment is booked: its own period while that is open, the customer''s current period, or the one after it.';
comment on column tally.tenants.adjustments_need_second_person is 'Whether who approves an adjustment must be somebody else than who made it.';
