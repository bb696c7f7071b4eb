-- The resident loop's account of itself: one row, written by the process that holds the loop's advisory lock.
-- Whether a loop runs is that lock, which ends with its process; the row says how it does, and how it ended.
create table tally.loop_heartbeat (
    only_row          boolean          primary key default true check (only_row),
    process           text             not null,
    started_at        timestamptz      not null,
    beat_at           timestamptz      not null,
    stopped_at        timestamptz,
    ticks             bigint           not null check (ticks >= 0),
    ticks_last_minute integer          not null check (ticks_last_minute >= 0),
    last_tick_at      timestamptz,
    last_tick_seconds double precision,
    failures          integer          not null check (failures >= 0),
    last_error        text
);
comment on table tally.loop_heartbeat is 'How the resident loop does. Times are the database''s own, never a simulated clock''s.';
comment on column tally.loop_heartbeat.process is 'host:process id, as its log calls it.';
comment on column tally.loop_heartbeat.stopped_at is 'When it stopped as asked; null beside a free lock: it died.';
comment on column tally.loop_heartbeat.failures is 'Turns that failed since the last one that did not; last_error is the newest one''s.';
