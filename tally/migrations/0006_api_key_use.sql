-- When a key was last used, how fast it may post, and which key it took over from.
alter table tally.api_keys
    add column last_used_at      timestamptz,
    add column events_per_second integer check (events_per_second > 0),
    add column burst             integer check (burst > 0),
    add column replaces          text references tally.api_keys;

comment on column tally.api_keys.last_used_at is 'Written by the door, at most once a minute: true to the minute, null until the first use.';
comment on column tally.api_keys.events_per_second is 'Events a second that the key may post at each door; null: the doors'' own setting.';
comment on column tally.api_keys.burst is 'Events that it may post at once after a pause; null: the doors'' own setting.';
comment on column tally.api_keys.replaces is 'The key that was rotated into this one.';
