"""Detached days: list them, put one back, or drop them for good."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import psycopg
from psycopg.rows import class_row

from tally.retention.days import starts_at
from tally.retention.errors import RetentionRefused

_LIST = """
select
    day.day, day.relation, day.bytes, day.detached_at, day.dropped_at,
    coalesce(sum(landed.deliveries), 0)::bigint as deliveries,
    coalesce(sum(landed.events), 0)::bigint as events
from tally.detached_days as day
left join tally.detached_deliveries as landed using (day)
group by day.day
order by day.day
"""


@dataclass(frozen=True)
class ArchivedDay:
    """A UTC day whose landed rows are not in raw.usage_events; `dropped_at` None: they are in schema archive."""

    day: date
    relation: str
    bytes: int
    detached_at: datetime
    dropped_at: datetime | None
    deliveries: int
    events: int


def archived_days(connection: psycopg.Connection) -> list[ArchivedDay]:
    """Every detached day, dropped ones too, the oldest first."""
    with connection.cursor(row_factory=class_row(ArchivedDay)) as cursor:
        return cursor.execute(_LIST).fetchall()


def drop(connection: psycopg.Connection, now: datetime) -> Iterator[ArchivedDay]:
    """Drop the rows of every archived day, each in a transaction of its own; yields each once it is gone for good."""
    for day in archived_days(connection):
        if day.dropped_at is None:
            with connection.transaction():
                connection.execute(f"drop table {day.relation}")
                connection.execute("update tally.detached_days set dropped_at = %s where day = %s", (now, day.day))
            yield day


def reattach(connection: psycopg.Connection, day: date) -> None:
    """Put an archived day's rows back into raw.usage_events.

    Raises:
        RetentionRefused: the day is not archived, its rows were dropped, or others of that day landed since.
    """
    found = next((archived for archived in archived_days(connection) if archived.day == day), None)
    if found is None or found.dropped_at is not None:
        raise RetentionRefused(f"{day} {'is not archived' if found is None else 'was dropped: a backup may have it'}")
    _, name = found.relation.split(".")
    bounds = f"from ('{starts_at(day)}') to ('{starts_at(day + timedelta(days=1))}')"
    try:
        with connection.transaction():
            connection.execute(f"alter table {found.relation} set schema raw")
            connection.execute(f"alter table raw.usage_events attach partition raw.{name} for values {bounds}")
            connection.execute("delete from tally.detached_days where day = %s", (day,))
    except psycopg.errors.CheckViolation:
        raise RetentionRefused(
            f"rows of {day} have landed in raw.usage_events_default since: docs/runbooks/retention.md"
        ) from None
