"""Detaching a day: its rows move to the schema `archive`, and what they were is noted, in one transaction."""

import time
from collections.abc import Iterator, Sequence
from datetime import datetime

import psycopg

from tally.retention.days import Day, judge
from tally.retention.errors import RetentionRefused
from tally.retention.settled import judged_counters

_ATTEMPTS = 10
_NOTE = """
with noted as (
    insert into tally.detached_days (day, relation, bytes, detached_at)
    values (%(day)s, %(archived)s, %(bytes)s, %(now)s)
    on conflict (day) do nothing
    returning day
)

insert into tally.detached_deliveries (day, tenant_id, deliveries, events, duplicates, conflicts)
select
    noted.day,
    landed.tenant_id,
    count(*),
    count(*) filter (where (event.xid, event.seq) = (landed.xid, landed.seq)),
    count(*) filter (where (event.xid, event.seq) <> (landed.xid, landed.seq) and conflict.seq is null),
    count(*) filter (where conflict.seq is not null)
from {relation} as landed
cross join noted
inner join ledger.int_usage_events_deduplicated as event using (tenant_id, idempotency_key)
left join ledger.int_usage_events_conflicts as conflict
    on conflict.tenant_id = landed.tenant_id and conflict.idempotency_key = landed.idempotency_key
    and conflict.xid = landed.xid and conflict.seq = landed.seq
group by noted.day, landed.tenant_id
"""


def detach(connection: psycopg.Connection, days: Sequence[Day], now: datetime) -> Iterator[Day]:
    """Detach those that may go, each in a transaction of its own; yields each once it is gone.

    Landing waits while a partition is unhooked, milliseconds; a reader in the way is waited for two seconds at a time,
    with landings let through in between. `connection` is in autocommit mode.

    Raises:
        RetentionRefused: readers stayed in the way.
    """
    with judged_counters(connection, now):
        for day in days:
            if not day.blocked and (gone := _patiently(connection, day, now)) is not None:
                yield gone


def _patiently(connection: psycopg.Connection, day: Day, now: datetime) -> Day | None:
    for attempt in range(_ATTEMPTS):
        try:
            return _detach(connection, day, now)
        except psycopg.errors.LockNotAvailable:
            time.sleep(0.2 * (attempt + 1))
    raise RetentionRefused(f"{day.relation} is being read without a pause: try again when those queries have ended")


def _detach(connection: psycopg.Connection, day: Day, now: datetime) -> Day | None:
    """Judged first: detaching concurrently is not for tables with a default partition, so its lock must be short."""
    _, name = day.relation.split(".")
    with connection.transaction():
        connection.execute("set local lock_timeout = '2s'")
        # Nothing can land in this day from here on, so what is judged is what is detached.
        connection.execute(f"lock table {day.relation} in share row exclusive mode")
        current = judge(connection, day.day, day.relation)
        if current.blocked:
            return None
        noted = {"day": day.day, "archived": f"archive.{name}", "bytes": current.bytes, "now": now}
        connection.execute(_NOTE.format(relation=day.relation), noted)
        connection.execute(f"alter table raw.usage_events detach partition {day.relation}")
        connection.execute(f"alter table {day.relation} set schema archive")
    return current
