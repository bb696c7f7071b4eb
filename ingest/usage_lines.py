"""Usage as the ledger has it, by hour, day or billing period, in the order of customer, metric, time and dimensions.

Read from the views in schema `door`, which have the rows of the session's tenant only (`ingest/reading_links.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from ingest.usage_cursor import Place, Window

MARTS_ARE_BUILT: Final = """
select to_regclass('door.usage_hourly') is not null and to_regclass('door.usage_counters') is not null as built,
    (select up_to from tally.deleted_hours where tenant_id = $1) as hours_deleted_up_to
"""
# Days and whole periods come from hours too: usage_daily is per all dimensions at once, and what is last in a day of
# several is not the last of any sum. The zone is the tenant's, in which its hours were cut.
_HOURLY = """
with hours as (
    select
        usage.*,
        {start} as starts,
        {end} as ends,
        coalesce((
            select jsonb_object_agg(name, coalesce(usage.dimensions ->> name, '')) from unnest($2::text[]) as name
        ), '{{}}') as grouped
    from door.usage_hourly as usage
    inner join tally.tenants as tenant on tenant.tenant_id = usage.tenant_id
    where usage.tenant_id = $1 {filters}
),

lines as (
    select
        customer_ref, metric, starts, max(ends) as ends, grouped,
        sum(event_count)::bigint as event_count,
        sum(quantity_sum) as quantity_sum,
        min(quantity_min) as quantity_min,
        max(quantity_max) as quantity_max,
        (array_agg(last_quantity order by last_event_time desc, last_landed_at desc, last_seq desc))[1] as last_quantity
    from hours
    where {places}
    group by customer_ref, metric, starts, grouped
    order by customer_ref, metric, starts, grouped::text
    limit {limit}
)

select
    lines.*, lines.grouped::text as dimensions, meter.aggregation, meter.unit,
    tally.event_value(
        meter.aggregation, meter.time_unit, meter.divide_by, event_count, quantity_sum, quantity_min, quantity_max,
        last_quantity, null, null, null
    ) as value
from lines
left join tally.meters as meter on meter.tenant_id = $1 and meter.metric = lines.metric
order by lines.customer_ref, lines.metric, lines.starts, lines.grouped::text
"""
_COUNTERS = """
select
    customer_ref, metric, period_start as starts, period_end as ends, '{{}}' as dimensions, event_count, quantity_sum,
    quantity_min, quantity_max, last_quantity, aggregation, unit, value
from (
    select *, period_start as starts, '{{}}'::jsonb as grouped from door.usage_counters as usage
    where usage.tenant_id = $1 {filters}
) as counters
where {places}
order by customer_ref, metric, starts
limit {limit}
"""
_DAY = "date_trunc('day', usage.hour_start at time zone tenant.time_zone)"
_BOUNDS: Final[dict[Window, tuple[str, str]]] = {
    "hour": ("usage.hour_start", "usage.hour_start + interval '1 hour'"),
    "day": (f"{_DAY} at time zone tenant.time_zone", f"({_DAY} + interval '1 day') at time zone tenant.time_zone"),
    "period": ("usage.period_start", "null::timestamptz"),
}


@dataclass(frozen=True)
class Asked:
    """Which usage. None leaves a field open; windows start in `[since, until)`."""

    window: Window
    group_by: tuple[str, ...] = ()
    customer_ref: str | None = None
    metric: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class UsageLine(msgspec.Struct, frozen=True):
    """Usage of one window. Numbers are decimal text; `value` is null where it does not add up from hours."""

    customer_ref: str
    metric: str
    start: datetime
    end: datetime | None
    dimensions: msgspec.Raw
    event_count: int
    value: str | None
    unit: str | None
    aggregation: str | None
    quantity_sum: str | None
    quantity_min: str | None
    quantity_max: str | None
    last_quantity: str | None


def usage_statement(tenant_id: str, asked: Asked, behind: Place | None, limit: int) -> tuple[str, Sequence[object]]:
    """The statement for up to `limit` lines behind a place, and its arguments."""
    is_billed = asked.window == "period" and not asked.group_by
    arguments: list[object] = [tenant_id] if is_billed else [tenant_id, list(asked.group_by)]

    def bound(value: object) -> str:
        arguments.append(value)
        return f"${len(arguments)}"

    filters, places = [], ["true"]
    for column in ("customer_ref", "metric"):
        if (wanted := getattr(asked, column)) is not None:
            filters.append(f"and usage.{column} = {bound(wanted)}")
    if asked.since is not None:
        places.append(f"starts >= {bound(asked.since)}")
    if asked.until is not None:
        places.append(f"starts < {bound(asked.until)}")
    if behind is not None:
        held = [bound(value) for value in (behind.customer_ref, behind.metric, behind.start, behind.dimensions)]
        # The first comparison is the one that the primary key serves.
        filters.append(f"and usage.customer_ref >= {held[0]}")
        order = "(customer_ref, metric, starts, grouped::text)"
        places.append(f"{order} > ({held[0]}, {held[1]}::text, {held[2]}::timestamptz, {held[3]}::text)")
    start, end = _BOUNDS[asked.window]
    sql = (_COUNTERS if is_billed else _HOURLY).format(
        start=start, end=end, filters=" ".join(filters), places=" and ".join(places), limit=bound(limit)
    )
    return sql, arguments


def line_of(row: Mapping[str, Any]) -> UsageLine:
    """A line from a row of `usage_statement`."""
    numbers = ("value", "quantity_sum", "quantity_min", "quantity_max", "last_quantity")
    shown = {name: None if row[name] is None else format(row[name], "f") for name in numbers}
    return UsageLine(
        customer_ref=row["customer_ref"], metric=row["metric"], start=row["starts"], end=row["ends"],
        dimensions=msgspec.Raw(row["dimensions"].encode()), event_count=row["event_count"], unit=row["unit"],
        aggregation=row["aggregation"], **shown,
    )  # fmt: skip


def place_in(row: Mapping[str, Any], window: Window) -> Place:
    """Where a row of `usage_statement` stands."""
    return Place(window, row["customer_ref"], row["metric"], row["starts"], row["dimensions"])
