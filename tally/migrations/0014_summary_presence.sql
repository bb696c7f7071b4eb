-- Stripe's total is eventually consistent, and may go backwards: where another event's absence looks like this intent's
-- presence, one reading confirms nothing. Like its absence, its presence must then be read again, a day later.
alter table tally.push_intents
    add column present_since timestamptz,
    add column present_reads integer not null default 0;
comment on column tally.push_intents.present_since is 'Resolving only: since when Stripe''s summary has read as if this intent had arrived, and over how many reads.';
