-- How one Stripe account in one mode may be called, whoever pushes: its rate, its pause, its stop, its circuit breaker. The
-- limits are Stripe's and hold for the account, which may bill for several tenants: so the key leads with the account.
create table tally.push_accounts (
    account         text        not null,
    livemode        boolean     not null,
    next_turn_at    timestamptz not null default '-infinity',
    paused_until    timestamptz,
    pause_reason    text,
    failures        integer     not null default 0,
    failing_since   timestamptz,
    retry_at        timestamptz,
    stopped_at      timestamptz,
    stopped_because text,
    stopped_key     text,
    primary key (account, livemode),
    check ((stopped_at is null) = (stopped_because is null))
);
comment on table tally.push_accounts is 'Real time of the database throughout. No row: never pushed to.';
comment on column tally.push_accounts.next_turn_at is 'Token bucket: when the first call is due that nobody has leased yet.';
comment on column tally.push_accounts.failures is 'Calls in a row that ended in a connection error or 5xx. From five on the circuit is open.';
comment on column tally.push_accounts.retry_at is 'Circuit open, or stopped and opened by another key: from then on one call may try.';
comment on column tally.push_accounts.stopped_because is 'A 401 or 403, or a restore: nothing is sent until `tally push resume`, or until another key works.';
comment on column tally.push_accounts.stopped_key is 'Which key was refused: the start of a hash of it. Null: only a person resumes.';

-- A meter of Stripe's by its event name, so that a mapping that cannot work is refused before usage waits on it.
create table tally.stripe_meters (
    tenant_id  text        not null references tally.tenants,
    account    text        not null,
    livemode   boolean     not null,
    meter_id   text        not null,
    event_name text        not null,
    formula    text        not null,
    is_active  boolean     not null,
    problem    text,
    synced_at  timestamptz not null,
    primary key (tenant_id, account, livemode, meter_id)
);
comment on column tally.stripe_meters.problem is 'Why no counter can go there; null: one can.';

alter table tally.stripe_subscription_items
    add column formula text not null default 'sum' check (formula in ('sum', 'last'));
comment on column tally.stripe_subscription_items.formula is 'How the meter aggregates: a sum is sent differences, a last the value itself.';

-- A meter of formula `last` is sent the counter's value. `value` stays what the intent adds to what Stripe was told, so that
-- sums over it hold for either kind; it may be 0 where a newer value says again what an unanswered one may have overwritten.
alter table tally.push_intents
    drop constraint push_intents_state_check,
    drop constraint push_intents_value_check,
    add column absolute_value numeric,
    add constraint push_intents_state_check check (state in (
        'planned', 'sending', 'unknown', 'resolving', 'disputed', 'confirmed', 'refused', 'missing', 'cancelled', 'rejected',
        'superseded'
    )),
    add constraint push_intents_value_check check (value <> 0 or absolute_value is not null);
comment on column tally.push_intents.absolute_value is 'What is sent, where the meter takes the last value. Null: `value` is sent.';
-- Stripe takes one call at a time for a customer and meter, whose periods are different counters.
create index push_intents_in_flight on tally.push_intents (account, livemode, stripe_customer_id, event_name)
    where state = 'sending';

alter table tally.push_attempts
    drop constraint push_attempts_outcome_check,
    add constraint push_attempts_outcome_check check (outcome in ('accepted', 'duplicate', 'refused', 'unknown', 'unsent'));
comment on column tally.push_attempts.outcome is 'unsent: claimed, and given back before anything left this process.';

create or replace function tally.push_intent_is_immutable() returns trigger language plpgsql as $$
begin
    if row(new.tenant_id, new.account, new.livemode, new.customer_ref, new.metric, new.period_start, new.period_end, new.seq,
           new.value, new.absolute_value, new.counter_value, new.event_name, new.stripe_customer_id, new.event_ts, new.identifier)
       is distinct from
       row(old.tenant_id, old.account, old.livemode, old.customer_ref, old.metric, old.period_start, old.period_end, old.seq,
           old.value, old.absolute_value, old.counter_value, old.event_name, old.stripe_customer_id, old.event_ts, old.identifier)
    then
        raise exception 'push intent % is immutable: an identifier always means the same payload', old.identifier;
    end if;
    return new;
end;
$$;

-- One row a counter that was ever pushed: what was counted when it was last planned, what was sent, what is on its way, what
-- Stripe says, and how it stands.
create or replace view tally.push_ledger as
select
    intent.tenant_id, intent.account, intent.livemode, intent.customer_ref, intent.metric, intent.period_start,
    max(intent.period_end) as period_end, -- Stripe may move a period's end between two pushes
    coalesce(sum(intent.value) filter (where intent.state = 'confirmed'), 0) as confirmed_quantity,
    coalesce(sum(intent.value) filter (where intent.state in ('planned', 'sending', 'unknown', 'resolving', 'disputed')), 0)
        as in_flight_quantity,
    coalesce(sum(intent.value) filter (
        where intent.state not in ('refused', 'missing', 'cancelled', 'rejected', 'superseded')
    ), 0) as told_quantity,
    count(*) as intents,
    count(*) filter (where intent.state in ('refused', 'missing', 'cancelled', 'rejected', 'superseded')) as void_intents,
    max(intent.seq) as last_seq,
    max(intent.state) filter (where intent.state in ('planned', 'sending', 'unknown', 'resolving', 'disputed')) as open_state,
    max(intent.confirmed_at) as last_confirmed_at,
    (array_agg(intent.counter_value order by intent.seq desc))[1] as counter_quantity,
    (array_agg(total.summary_quantity))[1] as stripe_quantity,
    max(total.summary_read_at) as stripe_read_at,
    (array_agg(intent.state order by intent.seq desc))[1] as state,
    (array_agg(intent.last_error order by intent.seq desc))[1] as last_error,
    coalesce(sum(intent.value) filter (
        where intent.value > 0 and intent.state not in ('refused', 'missing', 'cancelled', 'rejected', 'superseded')
    ), 0) as told_upwards,
    coalesce(sum(intent.value) filter (
        where intent.value < 0 and intent.state not in ('refused', 'missing', 'cancelled', 'rejected', 'superseded')
    ), 0) as told_downwards,
    array_agg(intent.value) filter (where intent.state = 'confirmed') as confirmed_values
from tally.push_intents as intent
left join tally.stripe_totals as total
    using (tenant_id, account, livemode, customer_ref, metric, period_start)
group by intent.tenant_id, intent.account, intent.livemode, intent.customer_ref, intent.metric, intent.period_start;
comment on column tally.push_ledger.told_upwards is 'Whatever part of our deltas a summary shows so far lies between told_downwards and told_upwards.';
comment on column tally.push_ledger.counter_quantity is 'The counter as of the newest intent; what it is now: marts.usage_counters.';
comment on column tally.push_ledger.stripe_quantity is 'Stripe''s own total as last read, at stripe_read_at. Null: never read.';
comment on column tally.push_ledger.state is 'Of the newest intent: docs/decisions.md and RECONCILIATION.md say what each means.';
