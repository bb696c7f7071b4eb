"""Deliveries as tests land them, and the ledger as tests read it."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import psycopg

JANUARY = (datetime(2013, 1, 1, 5, tzinfo=UTC), datetime(2013, 2, 1, 5, tzinfo=UTC))
AGGREGATIONS = ("count", "sum", "min", "max", "last", "average", "unique", "percentile", "time_weighted_sum")
LEDGER_TABLES = (
    "ledger.int_usage_events_deduplicated",
    "ledger.int_usage_events_conflicts",
    "ledger.int_usage_events_late",
    "ledger.int_usage_value_counts",
    "ledger.int_usage_gauge_readings",
    "ledger.int_usage_counters",
    "marts.usage_deliveries",
    "marts.usage_hourly",
)


@dataclass(frozen=True)
class Delivery:
    """One arrival; the metric is named like its aggregation."""

    key: str
    quantity: Decimal = Decimal(1)
    metric: str = "sum"
    customer: str = "UA"
    event_time: datetime = datetime(2013, 1, 10, tzinfo=UTC)
    landed_at: datetime = datetime(2013, 1, 10, 1, tzinfo=UTC)
    properties: str | None = None
    seq: int | None = None
    tenant: str = "newark"


_LAND = """
    insert into raw.usage_events
        (tenant_id, idempotency_key, customer_ref, metric, quantity, event_time, properties, landed_at, seq)
    values
        (%(tenant)s, %(key)s, %(customer)s, %(metric)s, %(quantity)s, %(event_time)s, %(properties)s, %(landed_at)s,
         coalesce(%(seq)s, nextval('raw.usage_events_seq')))
"""


def declare(
    connection: psycopg.Connection,
    tenant: str = "newark",
    zone: str = "America/New_York",
    calendar_period: str = "month",
) -> None:
    """A tenant with one meter per aggregation, a `scaled` one that uses the rest, and a lateness window of 48 hours."""
    connection.execute(
        "insert into tally.tenants (tenant_id, name, time_zone, calendar_period) values (%s, initcap(%s), %s, %s)",
        (tenant, tenant, zone, calendar_period),
    )
    connection.execute(
        """
        insert into tally.meters (tenant_id, metric, aggregation, property, percentile, time_unit)
        select
            %s, m, m,
            case when m = 'unique' then 'user' end,
            case when m = 'percentile' then 0.95 end,
            case when m = 'time_weighted_sum' then 'hour' end
        from unnest(%s::text[]) as m
        """,
        (tenant, list(AGGREGATIONS)),
    )
    connection.execute(
        """
        insert into tally.meters (tenant_id, metric, aggregation, property, divide_by, filter, dimensions)
        values (%s, 'scaled', 'sum', 'bytes', 1000, '{"region": ["eu", "us"]}', '{region,model}')
        """,
        (tenant,),
    )


def land(connection: psycopg.Connection, deliveries: Iterable[Delivery]) -> None:
    """Insert the deliveries in the connection's transaction."""
    with connection.cursor() as cursor:
        cursor.executemany(_LAND, [asdict(delivery) for delivery in deliveries])


def value(connection: psycopg.Connection, metric: str = "sum", customer: str = "UA") -> Decimal | None:
    """The counter's value over January; None where there is no counter."""
    row = connection.execute(
        "select value from marts.usage_counters where customer_ref = %s and metric = %s and period_start = %s",
        (customer, metric, JANUARY[0]),
    ).fetchone()
    return None if row is None else row[0]


def contents(connection: psycopg.Connection) -> dict[str, list[tuple[Any, ...]]]:
    """Every ledger table, row by row, as Postgres writes it: equal means equal to the last digit and byte."""
    return {
        table: connection.execute(f"select row.*::text from {table} as row order by 1").fetchall()
        for table in LEDGER_TABLES
    }


def bounds(connection: psycopg.Connection) -> dict[str, int]:
    """How far each model has read."""
    return dict(connection.execute("select model, read_to::text::bigint from tally.model_bounds").fetchall())
