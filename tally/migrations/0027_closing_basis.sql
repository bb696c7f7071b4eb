-- What a rest was worked out against: a voided invoice bills nothing, and one that is uncollectible was paid by nobody.
alter table tally.closing_rests
    add column basis text not null default 'billed' check (basis in ('billed', 'uncollectible', 'void'));
comment on column tally.closing_rests.basis is 'How the invoice stood when the rest was worked out. void: it bills nothing, so the rest is from nothing on.';

-- A rest whose amount a person named: what no price explains.
alter table tally.closing_rests add column amount_by text not null default 'price' check (amount_by in ('price', 'person'));
comment on column tally.closing_rests.amount_by is 'price: worked out; person: named by who decided, with `tally close settle`.';

alter table tally.stripe_subscription_items add column trial_starts_at timestamptz;
comment on column tally.stripe_subscription_items.trial_starts_at is 'Since when the subscription bills nothing; null with an end: as of a sync that did not keep it.';
