"""Hours of usage put in as the ledger would have counted them: who sent when, how much, and when it arrived."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from counter_rows import put_counter

from tally.configuration import Change, Configuration, apply

TENANT = "acme"
NOW = datetime(2024, 3, 20, 12, tzinfo=UTC)  # a Wednesday
PERIOD = (datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 4, 1, tzinfo=UTC))

_HOURS = """
insert into marts.usage_hourly (
    tenant_id, customer_ref, metric, period_start, hour_start, dimensions, event_count, quantity_sum, quantity_min,
    quantity_max, last_quantity, last_event_time, last_landed_at, last_seq
)
select
    %(tenant)s, %(customer)s, %(metric)s, %(period)s, hour, '{}', %(events)s, %(quantity)s, 1, 1, 1,
    hour + interval '59 minutes', greatest(hour + interval '59 minutes', coalesce(landed.at, '-infinity')), 1
from generate_series(%(first)s, %(last)s - interval '1 hour', interval '1 hour') as hour
left join lateral (
    -- A file a night: whatever happened since lands at the next 02:00.
    select date_trunc('day', hour - interval '2 hours', 'UTC') + interval '26 hours' as at where %(nightly)s
) as landed on true
where not %(office)s or (extract(isodow from hour) <= 5 and extract(hour from hour at time zone 'UTC') between 9 and 16)
"""


def send(
    connection: psycopg.Connection[Any],
    customer: str,
    ago: tuple[timedelta, timedelta],
    metric: str = "api_calls",
    *,
    events: int = 10,
    quantity: int = 10,
    nightly: bool = False,
    office: bool = False,
) -> None:
    """Usage of every hour from `ago[0]` to `ago[1]` before NOW; `office`: on weekdays from 9 to 17 o'clock only."""
    put_counter(connection, TENANT, customer, metric, 1, PERIOD)
    connection.execute(
        _HOURS,
        {
            "tenant": TENANT, "customer": customer, "metric": metric, "period": PERIOD[0],
            "first": NOW - ago[0], "last": NOW - ago[1], "events": events, "quantity": quantity,
            "nightly": nightly, "office": office,
        },
    )  # fmt: skip


def declare(connection: psycopg.Connection[Any], meter: dict[str, Any] | None = None, **limits: str) -> list[Change]:
    """Apply a configuration in which the tenant declares `limits`, and perhaps one of its meters others."""
    meters = {"api_calls": {"metric": "api_calls"}, "gigabytes": {"metric": "gigabytes"}}
    if meter is not None:
        meters[meter["metric"]] = meter
    tenant = {
        "id": TENANT, "name": "Acme", "usage_checks": limits,
        "meters": [{"aggregation": "sum", **each} for each in meters.values()],
    }  # fmt: skip
    return apply(connection, Configuration.model_validate({"tenants": [tenant]}))
