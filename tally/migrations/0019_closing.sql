-- Closing a period: drafts held back from finalization, and what a final invoice does not bill as counted.
alter table tally.tenants
    add column late_usage text not null default 'invoice_item' check (late_usage in ('invoice_item', 'write_off')),
    add column overbilled_usage text not null default 'credit_note'
        check (overbilled_usage in ('credit_note', 'credit_grant')),
    add column closing_approval text not null default 'person' check (closing_approval in ('person', 'policy')),
    add column hold_share numeric not null default 0.25 check (hold_share >= 0 and hold_share <= 1);
alter table tally.meters
    add column late_usage text check (late_usage in ('invoice_item', 'write_off')),
    add column overbilled_usage text check (overbilled_usage in ('credit_note', 'credit_grant'));
comment on column tally.tenants.late_usage is 'What becomes of usage that was counted after its invoice was final; a meter''s own setting goes before.';
comment on column tally.tenants.overbilled_usage is 'How usage that a final invoice bills too much is given back; a meter''s own setting goes before.';
comment on column tally.tenants.closing_approval is 'policy: rests are billed and credited as the settings say; person: each waits for somebody. A write-off always waits.';
comment on column tally.tenants.hold_share is 'A draft with something unsettled is held when this share of its grace is left.';

-- Intents of periods that end first go first: at a period's end, theirs are the ones that still have to arrive in time.
create index push_intents_ending_first on tally.push_intents (tenant_id, account, livemode, period_end, planned_at, intent_id)
    where state in ('planned', 'sending', 'unknown');
drop index tally.push_intents_to_deliver;
create index customer_periods_by_end on tally.customer_periods (period_end);

create table tally.invoice_holds (
    hold_id        uuid        primary key default gen_random_uuid(),
    tenant_id      text        not null references tally.tenants,
    account        text        not null,
    livemode       boolean     not null,
    invoice_id     text        not null,
    customer_ref   text        not null,
    period_end     timestamptz not null,
    finalizes_at   timestamptz not null,
    state          text        not null default 'holding' check (state in (
        'holding', 'held', 'releasing', 'released', 'missed'
    )),
    held_by        text        not null check (held_by <> ''),
    reason         text        not null,
    decided_at     timestamptz not null,
    held_at        timestamptz,
    released_by    text        check (released_by <> ''),
    release_reason text,
    finalize       boolean     not null default false,
    released_at    timestamptz,
    last_error     text,
    check (state not in ('releasing', 'released') or released_by is not null)
);
create unique index invoice_holds_one_open on tally.invoice_holds (tenant_id, account, livemode, invoice_id)
    where state in ('holding', 'held', 'releasing');
create index invoice_holds_of_invoice on tally.invoice_holds (tenant_id, account, livemode, invoice_id);
comment on table tally.invoice_holds is 'Drafts that we kept from finalizing (auto_advance=false). The invoice''s metadata names the hold: whatever carries no mark of ours is never touched.';
comment on column tally.invoice_holds.state is 'holding, releasing: decided, Stripe not told for certain. missed: the draft was final, or held by somebody else, before ours took.';
comment on column tally.invoice_holds.finalizes_at is 'When Stripe would have made it final.';
comment on column tally.invoice_holds.finalize is 'Released by making it final at once.';

create table tally.closing_rests (
    rest_id            uuid        primary key default gen_random_uuid(),
    tenant_id          text        not null references tally.tenants,
    account            text        not null,
    livemode           boolean     not null,
    customer_ref       text        not null,
    metric             text        not null,
    period_start       timestamptz not null,
    period_end         timestamptz not null,
    seq                integer     not null check (seq > 0),
    from_quantity      numeric     not null check (from_quantity >= 0),
    to_quantity        numeric     not null check (to_quantity >= 0 and to_quantity <> from_quantity),
    kind               text        not null check (kind in (
        'invoice_item', 'write_off', 'credit_note', 'credit_grant', 'nothing'
    )),
    amount_minor       bigint      not null check ((kind = 'nothing') = (amount_minor = 0)),
    currency           text        not null,
    price_id           text        not null,
    invoice_id         text        not null,
    invoice_line_ids   text[]      not null,
    stripe_customer_id text        not null,
    subscription_id    text        not null,
    credited_lines     jsonb       not null default '[]',
    note               text        not null default '',
    state              text        not null default 'proposed' check (state in (
        'proposed', 'approved', 'sending', 'done', 'refused', 'rejected', 'withdrawn'
    )),
    proposed_at        timestamptz not null,
    decided_at         timestamptz,
    decided_by         text        check (decided_by <> ''),
    decision_note      text        not null default '',
    attempts           integer     not null default 0,
    lease_until        timestamptz,
    last_attempt_at    timestamptz,
    key_number         integer     not null default 1,
    key_used_from      timestamptz,
    payload            jsonb,
    done_at            timestamptz,
    done_by            text        check (done_by in ('answer', 'evidence', 'decision')),
    stripe_id          text,
    billed_on          text,
    billed_checked_at  timestamptz,
    last_error         text,
    unique (tenant_id, account, livemode, customer_ref, metric, period_start, seq),
    check ((state in ('proposed', 'withdrawn')) = (decided_by is null)),
    check (kind not in ('invoice_item', 'write_off') or amount_minor > 0),
    check (kind not in ('credit_note', 'credit_grant') or amount_minor < 0),
    foreign key (tenant_id, metric) references tally.meters
);
create unique index closing_rests_one_open on tally.closing_rests
    (tenant_id, account, livemode, customer_ref, metric, period_start)
    where state in ('proposed', 'approved', 'sending', 'refused');
create index closing_rests_to_send on tally.closing_rests (tenant_id, account, livemode, decided_at)
    where state in ('approved', 'sending');
comment on table tally.closing_rests is 'What a final invoice does not bill as counted, one row per step of a counter from one quantity to the next; rows of a counter make a chain from the invoice''s quantity on.';
comment on column tally.closing_rests.amount_minor is 'What it adds to what the customer pays, in minor units; negative: what is given back. Of a write-off: what is not asked for.';
comment on column tally.closing_rests.payload is 'What Stripe is sent, fixed with the first attempt: a key of ours never comes with two payloads.';
comment on column tally.closing_rests.key_number is 'Which Idempotency-Key is used: the next one only 20 hours after the last one''s first use, and after a look for what it made.';
comment on column tally.closing_rests.billed_on is 'Of an invoice item: the invoice that took it up. Null: none yet.';

-- Once it may have been sent, what was decided about stays.
create function tally.closing_rest_is_immutable() returns trigger language plpgsql as $$
begin
    if old.state not in ('proposed', 'refused') and
       row(new.tenant_id, new.account, new.livemode, new.customer_ref, new.metric, new.period_start, new.seq, new.from_quantity,
           new.to_quantity, new.kind, new.amount_minor, new.currency, new.invoice_id, new.stripe_customer_id, new.credited_lines)
       is distinct from
       row(old.tenant_id, old.account, old.livemode, old.customer_ref, old.metric, old.period_start, old.seq, old.from_quantity,
           old.to_quantity, old.kind, old.amount_minor, old.currency, old.invoice_id, old.stripe_customer_id, old.credited_lines)
    then
        raise exception 'closing rest % is decided: what was decided about does not change', old.rest_id;
    end if;
    return new;
end;
$$;
create trigger closing_rest_is_immutable before update on tally.closing_rests
    for each row execute function tally.closing_rest_is_immutable();

create table tally.closing_attempts (
    rest_id         uuid        not null references tally.closing_rests,
    attempt         integer     not null check (attempt > 0),
    idempotency_key text        not null,
    started_at      timestamptz not null,
    ended_at        timestamptz,
    outcome         text        check (outcome in ('done', 'found', 'refused', 'unknown', 'stopped')),
    http_status     integer,
    request_id      text,
    error           text,
    primary key (rest_id, attempt)
);

create table tally.closing_rest_events (
    tenant_id       text not null,
    idempotency_key text not null,
    rest_id         uuid not null references tally.closing_rests,
    primary key (tenant_id, idempotency_key, rest_id)
);
create index closing_rest_events_of_rest on tally.closing_rest_events (rest_id);
comment on table tally.closing_rest_events is 'The counted events that a rest comes from: those that landed since Stripe was last told, and are in no earlier rest.';
