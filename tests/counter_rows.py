"""A counter put in as the ledger would have computed it, for tests that begin where counting ends."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg

_PUT = """
insert into ledger.int_usage_counters (
    tenant_id, customer_ref, metric, period_start, period_end, closes_at, event_count, quantity_sum, quantity_min,
    quantity_max, last_quantity, last_event_time, last_landed_at, last_seq, newest_xid
)
values (
    %(tenant)s, %(customer)s, %(metric)s, %(start)s, %(end)s, %(closes_at)s, %(events)s, %(value)s, %(value)s,
    %(value)s, %(value)s, %(at)s, %(at)s, 1, '1'
)
on conflict (tenant_id, customer_ref, metric, period_start) do update set
    event_count = excluded.event_count, quantity_sum = excluded.quantity_sum, quantity_min = excluded.quantity_min,
    quantity_max = excluded.quantity_max, last_quantity = excluded.last_quantity,
    last_event_time = excluded.last_event_time, period_end = excluded.period_end, closes_at = excluded.closes_at
"""


def put_counter(
    connection: psycopg.Connection[Any],
    tenant: str,
    customer: str,
    metric: str,
    value: Decimal | str | int,
    period: tuple[datetime, datetime],
    at: datetime | None = None,
) -> None:
    """Make `value` the counter's under any aggregation (count: a whole number), its last event at `at`."""
    amount = Decimal(value)
    row = {"tenant": tenant, "customer": customer, "metric": metric, "start": period[0], "end": period[1]}
    whole = amount == amount.to_integral_value() and amount > 0
    connection.execute(
        _PUT,
        row
        | {
            "closes_at": period[1] + timedelta(hours=48),
            "events": int(amount) if whole else 1,
            "value": amount,
            "at": at or period[0],
        },
    )
