-- Traces from the door over the tick to the push; written only where TALLY_TRACES is on. Both tables are short-lived: what
-- a tick has read is taken out of the first, and the second is emptied after hours.
create table tally.trace_links (
    tenant_id        text        not null,
    xid              xid8        not null default pg_current_xact_id(),
    traceparent      text        not null check (length(traceparent) = 55),
    idempotency_keys text[]      not null,
    linked_at        timestamptz not null default clock_timestamp(),
    primary key (tenant_id, xid, traceparent)
);
comment on table tally.trace_links is 'One row per traced request, of a few per commit, written by the door in the transaction of its rows.';
comment on column tally.trace_links.traceparent is 'The door''s span, as W3C traceparent.';
comment on column tally.trace_links.idempotency_keys is 'The first events that the request landed.';

create table tally.traced_counters (
    tenant_id    text        not null,
    customer_ref text        not null,
    metric       text        not null,
    period_start timestamptz not null,
    xid          xid8        not null,
    traceparent  text        not null check (length(traceparent) = 55),
    counted_at   timestamptz not null default clock_timestamp(),
    primary key (tenant_id, customer_ref, metric, period_start, xid, traceparent)
);
comment on table tally.traced_counters is 'Counters that an event of a traced request moved, written by the tick that counted it.';
comment on column tally.traced_counters.xid is 'The event''s landing transaction: a counter holds it once its newest_xid has reached it.';
comment on column tally.traced_counters.traceparent is 'The tick''s span in the request''s trace, as W3C traceparent.';

-- Which intent carries a traced event is then a comparison, and no guess by time. No default: nothing is rewritten.
alter table tally.push_intents add column newest_xid xid8;
comment on column tally.push_intents.newest_xid is 'The counter''s newest_xid when this was planned: events that landed up to there are in it. Null: planned before there was this column.';
