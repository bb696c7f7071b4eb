"""The counter that is explained: which one is meant, its row, and how its meter counts."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
from psycopg.rows import class_row, dict_row

from tally.explain.errors import NothingToExplain
from tally.explain.moments import moment_of, month_of
from tally.explain.recount import Definition
from tally.periods import Period

_PERIODS = """
select period_start, max(period_end) as period_end
from (
    select period_start, period_end from marts.usage_counters
    where tenant_id = %(tenant_id)s and customer_ref = %(customer_ref)s and metric = %(metric)s
    union all
    select period_start, period_end from marts.usage_deliveries
    where tenant_id = %(tenant_id)s and customer_ref = %(customer_ref)s and metric = %(metric)s
) as known
group by period_start
order by period_start
"""
_COUNTER = """
select
    event_count, quantity_sum, quantity_min, quantity_max, last_quantity, event_value, adjustment, value, is_carried,
    closes_at
from marts.usage_counters
where tenant_id = %(tenant_id)s and customer_ref = %(customer_ref)s and metric = %(metric)s
    and period_start = %(period_start)s
"""
_DEFINITION = """
select aggregation, unit, property, percentile, time_unit, divide_by, filter, dimensions, lateness_window
from tally.meters
where tenant_id = %(tenant_id)s and metric = %(metric)s
"""


@dataclass(frozen=True)
class Subject:
    """Which counter, and its period as the ledger dated it."""

    tenant_id: str
    customer_ref: str
    metric: str
    period: Period

    @property
    def parameters(self) -> dict[str, Any]:
        """By the names that statements use."""
        return {
            "tenant_id": self.tenant_id,
            "customer_ref": self.customer_ref,
            "metric": self.metric,
            "period_start": self.period.start,
            "period_end": self.period.end,
        }


@dataclass(frozen=True)
class CounterRow:
    """A row of marts.usage_counters: `value` = `event_value` + `adjustment`, in the meter's unit."""

    event_count: int
    quantity_sum: Decimal
    quantity_min: Decimal | None
    quantity_max: Decimal | None
    last_quantity: Decimal | None
    event_value: Decimal
    adjustment: Decimal
    value: Decimal
    is_carried: bool
    closes_at: datetime


def subject_meant(
    connection: psycopg.Connection[Any],
    tenant_id: str,
    customer_ref: str,
    metric: str,
    period: str | None,
    now: datetime,
) -> Subject:
    """The counter of the period that starts in the month `period`, or holds the moment; by default the current one.

    Raises:
        NothingToExplain: the ledger knows no such counter.
        TallyError: `period` is neither a month nor a moment.
    """
    named = {"tenant_id": tenant_id, "customer_ref": customer_ref, "metric": metric}
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_PERIODS, named).fetchall()
    known = [Period(row["period_start"].astimezone(UTC), row["period_end"].astimezone(UTC)) for row in rows]
    month = month_of(period) if period else None
    if month is not None:
        found = [each for each in known if month[0] <= each.start < month[1]]
    else:
        moment = moment_of(period, _zone(connection, tenant_id)) if period else now
        found = [each for each in known if moment in each]
    if len(found) != 1:
        raise NothingToExplain(_missing(customer_ref, metric, period, known, found))
    return Subject(tenant_id, customer_ref, metric, found[0])


def counter_row(connection: psycopg.Connection[Any], subject: Subject) -> CounterRow | None:
    """The counter as it is billed; None where nothing is counted or booked, e.g. only late events are known."""
    with connection.cursor(row_factory=class_row(CounterRow)) as cursor:
        return cursor.execute(_COUNTER, subject.parameters).fetchone()


def definition_of(connection: psycopg.Connection[Any], subject: Subject) -> Definition | None:
    """How the metric counts; None when it is not declared."""
    with connection.cursor(row_factory=class_row(Definition)) as cursor:
        return cursor.execute(_DEFINITION, subject.parameters).fetchone()


def _zone(connection: psycopg.Connection[Any], tenant_id: str) -> ZoneInfo:
    row = connection.execute("select time_zone from tally.tenants where tenant_id = %s", (tenant_id,)).fetchone()
    return ZoneInfo(row[0] if row else "UTC")


def _missing(customer_ref: str, metric: str, period: str | None, known: list[Period], found: list[Period]) -> str:
    which = f"{customer_ref} {metric}"
    if not known:
        return (
            f"{which}: the ledger has no event and no adjustment of this customer and metric; "
            "`tally counters` lists what it has, `tally tick` reads what has just landed"
        )
    listed = ", ".join(f"{each.start:%Y-%m-%dT%H:%MZ}" for each in (found or known)[-12:])
    if found:
        return f"{which}: several periods start in {period}: name a moment in one of them; they start at {listed}"
    return f"{which}: nothing is known of {period or 'the current period'}; the latest periods start at {listed}"
