"""tally.customer_periods, read and written as whole billing periods, whatever segments they are cut into."""

from collections import defaultdict
from collections.abc import Collection
from typing import Any

import psycopg

from tally.customer_periods import KnownPeriod, PeriodChanges
from tally.periods import Period

_WHOLE = """
select customer_ref, min(period_start), max(period_end), bool_or(origin = 'stripe')
from tally.customer_periods
where tenant_id = %s and customer_ref = any(%s)
group by customer_ref, coalesce(closes_with, period_end)
"""
_INSIDE = "tenant_id = %s and customer_ref = %s and period_start >= %s and period_end <= %s"


def stored_periods(
    connection: psycopg.Connection[Any], tenant_id: str, customer_refs: Collection[str]
) -> dict[str, list[KnownPeriod]]:
    """By customer; the segments of one period together."""
    stored: dict[str, list[KnownPeriod]] = defaultdict(list)
    for ref, start, end, is_stripes in connection.execute(_WHOLE, (tenant_id, list(customer_refs))):
        stored[ref].append(KnownPeriod(Period(start, end), is_stripes))
    return stored


def store_changes(
    connection: psycopg.Connection[Any], tenant_id: str, customer_ref: str, changes: PeriodChanges
) -> None:
    """Write what `take_over` found; a confirmed period keeps its segments."""
    for period in changes.deleted:
        place = (tenant_id, customer_ref, period.start, period.end)
        connection.execute(f"delete from tally.customer_periods where {_INSIDE}", place)
    for period in changes.confirmed:
        place = (tenant_id, customer_ref, period.start, period.end)
        connection.execute(f"update tally.customer_periods set origin = 'stripe' where {_INSIDE}", place)
    for known in changes.inserted:
        origin = "stripe" if known.is_stripes else "projected"
        connection.execute(
            "insert into tally.customer_periods (tenant_id, customer_ref, period_start, period_end, origin)"
            " values (%s, %s, %s, %s, %s)",
            (tenant_id, customer_ref, known.period.start, known.period.end, origin),
        )
