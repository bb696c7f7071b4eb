"""Our side: counters, the billing periods they stand in, and what an export may call our customers and metrics."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
from psycopg.rows import class_row

from tally.errors import TallyError

Key = tuple[str, str, datetime]

_COUNTERS = """
select
    counter.customer_ref, counter.metric, counter.period_start, counter.period_end, counter.closes_at,
    counter.aggregation, counter.unit, counter.event_count, counter.adjustment, counter.value,
    coalesce(landed.late_events, 0) as late_events, coalesce(landed.duplicates, 0) as duplicates,
    coalesce(landed.conflicts, 0) as conflicts, priced.amount, priced.currency
from (
    select tenant_id, customer_ref, metric, period_start, period_end, closes_at, aggregation, unit, event_count,
        adjustment, value
    from marts.usage_counters
    union all
    -- Usage that all landed too late is in no counter: nothing is counted, which is zero.
    select tenant_id, customer_ref, metric, period_start, period_end, null, meter.aggregation, meter.unit, 0, 0, 0
    from marts.usage_deliveries
    left join tally.meters as meter using (tenant_id, metric)
    where not exists (
        select from marts.usage_counters as known
        where known.tenant_id = usage_deliveries.tenant_id and known.customer_ref = usage_deliveries.customer_ref
            and known.metric = usage_deliveries.metric and known.period_start = usage_deliveries.period_start
    )
) as counter
left join marts.usage_deliveries as landed using (tenant_id, customer_ref, metric, period_start)
left join lateral (
    select amount, currency from tally.priced_lines as line
    where line.tenant_id = counter.tenant_id and line.customer_ref = counter.customer_ref
        and line.metric = counter.metric and line.period_start = counter.period_start
        and line.quantity = counter.value
    order by line.livemode desc, line.account
    limit 1
) as priced on true
where counter.tenant_id = %(tenant_id)s and counter.metric = any(%(metrics)s)
    and counter.period_end > %(first)s and counter.period_start < %(last)s
    and (%(customer_ref)s::text is null or counter.customer_ref = %(customer_ref)s)
order by counter.customer_ref, counter.metric, counter.period_start
"""
_PERIODS = """
select customer_ref, period_start, period_end from tally.customer_periods
where tenant_id = %s order by customer_ref, period_start
"""
_CUSTOMERS = """
select asked.ref
from unnest(%(refs)s::text[]) as asked (ref)
where exists (select from marts.usage_deliveries where tenant_id = %(tenant_id)s and customer_ref = asked.ref)
    or exists (select from marts.usage_counters where tenant_id = %(tenant_id)s and customer_ref = asked.ref)
    or exists (select from tally.customers where tenant_id = %(tenant_id)s and customer_ref = asked.ref)
"""
_NAMES = """
select 'customer', stripe_customer_id, customer_ref from tally.stripe_subscription_items where tenant_id = %(tenant_id)s
union
select 'metric', unnest(array[event_name, stripe_meter_id, price_id]), metric
from tally.stripe_subscription_items where tenant_id = %(tenant_id)s
union
select 'metric', event_name, metric from tally.price_mappings where tenant_id = %(tenant_id)s
"""


@dataclass(frozen=True)
class Counter:
    """A counter, and what landed of it beside. `amount` is the price of `value` in minor units, where it was priced."""

    customer_ref: str
    metric: str
    period_start: datetime
    period_end: datetime
    closes_at: datetime | None
    aggregation: str | None
    unit: str | None
    event_count: int
    adjustment: Decimal
    value: Decimal
    late_events: int
    duplicates: int
    conflicts: int
    amount: Decimal | None
    currency: str | None

    @property
    def key(self) -> Key:
        return self.customer_ref, self.metric, self.period_start


@dataclass(frozen=True)
class Meter:
    """How a metric counts, and what parity allows it."""

    aggregation: str
    divide_by: Decimal
    epsilon: Decimal


@dataclass(frozen=True)
class Tenant:
    """Whose counters, and how its calendar is cut."""

    tenant_id: str
    name: str
    zone: ZoneInfo
    calendar_period: str
    epsilon: Decimal
    meters: dict[str, Meter]


@dataclass(frozen=True)
class Names:
    """What else a customer or metric is called: Stripe's ids of both. An id that means two things is left out."""

    customers: dict[str, str]
    metrics: dict[str, str]


def read_tenant(connection: psycopg.Connection[Any], tenant_id: str) -> Tenant:
    """The tenant and its meters.

    Raises:
        TallyError: its ledger was never built.
    """
    if connection.execute("select to_regclass('marts.usage_counters')").fetchone() == (None,):
        raise TallyError("no ledger yet: run `tally tick`")
    row = connection.execute(
        "select tenant_id, name, time_zone, calendar_period, epsilon from tally.tenants where tenant_id = %s",
        (tenant_id,),
    ).fetchone()
    assert row is not None
    meters = connection.execute(
        "select metric, aggregation, divide_by, coalesce(epsilon, %s) from tally.meters where tenant_id = %s",
        (row[4], tenant_id),
    )
    return Tenant(row[0], row[1], ZoneInfo(row[2]), row[3], row[4], {name: Meter(*rest) for name, *rest in meters})


def read_counters(
    connection: psycopg.Connection[Any],
    tenant_id: str,
    metrics: Collection[str],
    span: tuple[datetime, datetime],
    customer_ref: str | None,
) -> list[Counter]:
    """The counters of these metrics, and of usage of which nothing counts, whose periods touch the span."""
    asked = {"tenant_id": tenant_id, "metrics": list(metrics), "first": span[0], "last": span[1],
             "customer_ref": customer_ref}  # fmt: skip
    with connection.cursor(row_factory=class_row(Counter)) as cursor:
        return cursor.execute(_COUNTERS, asked).fetchall()


def read_periods(connection: psycopg.Connection[Any], tenant_id: str) -> dict[str, list[tuple[datetime, datetime]]]:
    """Each customer's known billing periods, in order."""
    periods: dict[str, list[tuple[datetime, datetime]]] = defaultdict(list)
    for customer_ref, start, end in connection.execute(_PERIODS, (tenant_id,)):
        periods[customer_ref].append((start, end))
    return periods


def known_customers(connection: psycopg.Connection[Any], tenant_id: str, refs: Collection[str]) -> set[str]:
    """Those of which anything was ever delivered or declared here."""
    return {ref for (ref,) in connection.execute(_CUSTOMERS, {"tenant_id": tenant_id, "refs": list(refs)})}


def read_names(connection: psycopg.Connection[Any], tenant_id: str) -> Names:
    """Stripe's ids of our customers and metrics."""
    meanings: dict[tuple[str, str], set[str]] = defaultdict(set)
    for kind, foreign, own in connection.execute(_NAMES, {"tenant_id": tenant_id}):
        meanings[kind, foreign].add(own)
    single = {key: own for key, (own, *others) in meanings.items() if not others}
    return Names(
        {foreign: own for (kind, foreign), own in single.items() if kind == "customer"},
        {foreign: own for (kind, foreign), own in single.items() if kind == "metric"},
    )
