"""Counters as they are known now, and as they were known at a moment: by two different paths to the same numbers."""

from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import psycopg
from psycopg.rows import class_row

from tally.adjustments.ledger_rules import statement

CounterKey = tuple[str, str, datetime]

_NOW = """
select
    customer_ref, metric, period_start, period_end, aggregation, unit, event_count, event_value, adjustment, value,
    is_carried
from marts.usage_counters
where tenant_id = %(tenant_id)s
    and (%(customer_ref)s::text is null or customer_ref = %(customer_ref)s)
    and (%(metric)s::text is null or metric = %(metric)s)
    and (%(starting_from)s::timestamptz is null or period_start >= %(starting_from)s)
    and (%(starting_before)s::timestamptz is null or period_start < %(starting_before)s)
order by customer_ref, metric, period_start
"""


@dataclass(frozen=True)
class Selection:
    """Which counters; None leaves it open. Periods that start in `[starting_from, starting_before)`."""

    customer_ref: str | None = None
    metric: str | None = None
    starting_from: datetime | None = None
    starting_before: datetime | None = None


@dataclass(frozen=True)
class KnownCounter:
    """A counter at one moment: `value` = `event_value` + `adjustment`, in the meter's unit."""

    customer_ref: str
    metric: str
    period_start: datetime
    period_end: datetime
    aggregation: str
    unit: str | None
    event_count: int
    event_value: Decimal
    adjustment: Decimal
    value: Decimal
    is_carried: bool

    @property
    def key(self) -> CounterKey:
        return self.customer_ref, self.metric, self.period_start


def known_now(
    connection: psycopg.Connection[Any], tenant_id: str, selection: Selection = Selection()
) -> list[KnownCounter]:
    """The counters that are billed: marts.usage_counters."""
    return _counters(connection, _NOW, {"tenant_id": tenant_id, **asdict(selection)})


def known_at(
    connection: psycopg.Connection[Any], tenant_id: str, at: datetime, selection: Selection = Selection()
) -> list[KnownCounter]:
    """The counters from what had landed and was decided before `at`, counted afresh from the ledger's events.

    Meters, periods and what they made of each event are today's. The cost is a scan of the tenant's events.
    """
    return _counters(
        connection, statement(__package__, "as_of.sql"), {"tenant_id": tenant_id, "at": at, **asdict(selection)}
    )


def _counters(connection: psycopg.Connection[Any], query: Any, parameters: dict[str, Any]) -> list[KnownCounter]:
    with connection.cursor(row_factory=class_row(KnownCounter)) as cursor:
        return cursor.execute(query, parameters).fetchall()
