"""Hourly usage of periods long closed: deleted in batches, with a note that those periods have none."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg
from psycopg.rows import class_row

from tally.retention.settled import judged_counters

_COUNTERS_AT_ONCE = 500
_OLD = """
from ledger.int_usage_counters as counter
left join unsettled_counters as unsettled using (tenant_id, customer_ref, metric, period_start)
where counter.period_end <= %(up_to)s
    and exists (
        select from marts.usage_hourly as hour
        where hour.tenant_id = counter.tenant_id and hour.customer_ref = counter.customer_ref
            and hour.metric = counter.metric and hour.period_start = counter.period_start
    )
"""
_COUNT = f"""
select
    count(*) filter (where unsettled.reason is null) as counters,
    count(*) filter (where unsettled.reason is not null) as blocked
{_OLD}
"""
_NOTE = """
insert into tally.deleted_hours (tenant_id, up_to, deleted_at)
select tenant_id, %(up_to)s, %(now)s from tally.tenants
on conflict (tenant_id) do update
set up_to = greatest(deleted_hours.up_to, excluded.up_to), deleted_at = excluded.deleted_at
"""
_DELETE = f"""
with old as (
    select counter.tenant_id, counter.customer_ref, counter.metric, counter.period_start
    {_OLD} and unsettled.reason is null
    limit {_COUNTERS_AT_ONCE}
)

delete from marts.usage_hourly as hour
using old
where hour.tenant_id = old.tenant_id and hour.customer_ref = old.customer_ref
    and hour.metric = old.metric and hour.period_start = old.period_start
"""


@dataclass(frozen=True)
class OldHours:
    """Counters of periods that ended by `up_to` and have hours; the `blocked` are not settled and keep theirs."""

    up_to: datetime
    counters: int
    blocked: int


def old_hours(connection: psycopg.Connection, age: timedelta, now: datetime) -> OldHours:
    """What `delete_hours` would delete."""
    up_to = now - age
    with judged_counters(connection, now), connection.cursor(row_factory=class_row(OldHours)) as cursor:
        query = f"select %(up_to)s::timestamptz as up_to, found.* from ({_COUNT}) as found"
        found = cursor.execute(query, {"up_to": up_to}).fetchone()
    assert found is not None
    return found


def delete_hours(connection: psycopg.Connection, age: timedelta, now: datetime) -> Iterator[int]:
    """Delete them, some hundred counters a transaction; yields how many rows each took. Counters and events stay."""
    limits = {"up_to": now - age, "now": now}
    with judged_counters(connection, now):
        # Noted first: the test that hours add up to counters must not fail in between.
        connection.execute(_NOTE, limits)
        while rows := connection.execute(_DELETE, limits).rowcount:
            yield rows
