-- What was claimed for the meter-event stream is not sent again once its pusher is gone: whether a single event is checked
-- against identifiers that came by the stream is nowhere promised.
alter table tally.push_intents add column by_stream boolean not null default false;
comment on column tally.push_intents.by_stream is
    'The last attempt was one of a batch of the v2 meter-event stream. While it is sending, nobody may send it again.';
